import type { JSX } from "preact";
import type { ConsoleSpendLimit } from "../../api/console.ts";
import { brief, usd } from "../format.ts";

interface Part {
  /** Of the limit; 1 and more: it is used up. */
  ratio: number;
  tone: "good" | "warn" | "bad";
  text: string;
}

function partOf(spent: number, limit: number, text: string): Part {
  const ratio = limit > 0 ? Math.min(1, spent / limit) : 1;
  return { ratio, tone: ratio >= 1 ? "bad" : ratio >= 0.8 ? "warn" : "good", text };
}

/** How far each limit of a budget is used up. */
export function partsOf(spent: { usd: string; tokens: number }, limit: ConsoleSpendLimit | null): Part[] {
  const parts: Part[] = [];
  if (limit && limit.usd !== null)
    parts.push(partOf(Number(spent.usd), Number(limit.usd), `${usd(spent.usd)} of ${usd(limit.usd)}`));
  if (limit && limit.tokens !== null)
    parts.push(partOf(spent.tokens, limit.tokens, `${brief(spent.tokens)} of ${brief(limit.tokens)} tokens`));
  return parts;
}

/** What was spent, and how far a budget is used up. */
export function Budget(props: {
  title: string;
  /** Of the heading, as the outline of the view has it. */
  level: 2 | 3;
  spent: { usd: string; tokens: number };
  limit: ConsoleSpendLimit | null;
}): JSX.Element {
  const { title, level, spent, limit } = props;
  const Title = `h${level}` as const;
  return (
    <div class="card figure">
      <Title>{title}</Title>
      <p class="big">{usd(spent.usd)}</p>
      <p class="muted">{brief(spent.tokens)} tokens</p>
      {partsOf(spent, limit).map(({ ratio, tone, text }) => (
        <div key={text} class="budget">
          <svg class={`gauge ${tone}`} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
            <rect class="rail" width="100" height="4" />
            <rect class="fill" width={ratio * 100} height="4" />
          </svg>
          <p>
            {text} ({Math.round(ratio * 100)} %){ratio >= 1 ? ": the budget is used up" : ""}
          </p>
        </div>
      ))}
      {!limit && <p class="muted">No budget is set.</p>}
    </div>
  );
}
