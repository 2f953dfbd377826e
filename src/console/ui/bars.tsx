import type { JSX } from "preact";
import { useId } from "preact/hooks";

interface Bar {
  /** What it is of, such as a day. */
  label: string;
  value: number;
  /** The value for people. */
  text: string;
}

interface BarsProps {
  title: string;
  bars: Bar[];
  /** The value at the top, for people. */
  shown: (value: number) => string;
}

const [WIDTH, HEIGHT] = [1000, 160];

/** A number with few digits that is not below. */
export function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((it) => it * power >= value * 0.999_999) ?? 10) * power;
}

/** Values side by side, as a picture with the highest told in words; a table beside it has them all. */
export function Bars({ title, bars, shown }: BarsProps): JSX.Element {
  const id = useId();
  const top = roundUp(Math.max(0, ...bars.map((it) => it.value)));
  const highest = bars.reduce(
    (most, it) => (it.value > most.value ? it : most),
    bars[0] ?? { label: "", value: 0, text: "" },
  );
  const step = WIDTH / Math.max(1, bars.length);
  const marks = [bars[0], bars[Math.floor(bars.length / 2)], bars.at(-1)].filter((it) => it !== undefined);
  return (
    <figure class="bars">
      <figcaption id={id}>{title}</figcaption>
      <div class="plot">
        <div class="axis" aria-hidden="true">
          <span>{shown(top)}</span>
          <span>{shown(top / 2)}</span>
          <span>0</span>
        </div>
        <svg
          role="img"
          aria-labelledby={id}
          aria-describedby={`${id}-most`}
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
        >
          <desc id={`${id}-most`}>
            {highest.value > 0 ? `The highest is ${highest.text} on ${highest.label}.` : "All are zero."}
          </desc>
          {[0, 0.5, 1].map((at) => (
            <line
              key={at}
              class="grid"
              x1="0"
              x2={WIDTH}
              y1={at * HEIGHT}
              y2={at * HEIGHT}
              vector-effect="non-scaling-stroke"
            />
          ))}
          {bars.map(({ label, value, text }, i) => {
            const height = Math.max(value > 0 ? 2 : 0, (value / top) * HEIGHT);
            return (
              <g key={label}>
                <rect class="bar" x={i * step + step * 0.14} width={step * 0.72} y={HEIGHT - height} height={height} />
                <rect class="hover" x={i * step} width={step} y="0" height={HEIGHT}>
                  <title>{`${label}: ${text}`}</title>
                </rect>
              </g>
            );
          })}
        </svg>
        <div class="days" aria-hidden="true">
          {marks.map(({ label }) => (
            <span key={label}>{label}</span>
          ))}
        </div>
      </div>
    </figure>
  );
}
