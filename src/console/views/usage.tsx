import type { JSX } from "preact";
import type { ConsoleTenant, ConsoleTokens, ConsoleUsage, ConsoleUsageLine } from "../../api/console.ts";
import { brief, count, usd } from "../format.ts";
import { tenantPath } from "../http.ts";
import { Link } from "../router.tsx";
import { Bars } from "../ui/bars.tsx";
import { Budget } from "../ui/budget.tsx";
import { Heading } from "../ui/heading.tsx";
import { Empty, Loaded } from "../ui/notes.tsx";
import { Table } from "../ui/table.tsx";
import { useResource } from "../use-resource.ts";

const PERIODS = [7, 30, 90];
const DAY_MS = 86_400_000;
const NO_TOKENS: ConsoleTokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

const inAll = ({ input, output, cacheRead, cacheWrite }: ConsoleTokens): number =>
  input + output + cacheRead + cacheWrite;

/** Each day from the first to the last; one of which nothing is known was one without spend. */
export function everyDay(from: string, to: string, lines: readonly ConsoleUsageLine[]): ConsoleUsageLine[] {
  const known = new Map(lines.map((it) => [it.key, it]));
  const days: ConsoleUsageLine[] = [];
  for (let at = Date.parse(from); at <= Date.parse(to); at += DAY_MS) {
    const key = new Date(at).toISOString().slice(0, 10);
    days.push(known.get(key) ?? { key, runs: 0, tokens: NO_TOKENS, usd: "0" });
  }
  return days;
}

const Rows = ({ lines }: { lines: ConsoleUsageLine[] }): JSX.Element => (
  <>
    {lines.map((it) => (
      <tr key={it.key}>
        <th scope="row">{it.key}</th>
        <td class="number">{usd(it.usd)}</td>
        <td class="number">{count(it.runs)}</td>
        <td class="number">{count(it.tokens.input)}</td>
        <td class="number">{count(it.tokens.output)}</td>
        <td class="number">{count(it.tokens.cacheRead)}</td>
        <td class="number">{count(it.tokens.cacheWrite)}</td>
      </tr>
    ))}
  </>
);

const HEADS = ["#Cost", "#Runs", "#Input", "#Output", "#Cache read", "#Cache written"];

function Plots({ usage }: { usage: ConsoleUsage }): JSX.Element {
  const days = everyDay(usage.from, usage.to, usage.byDay);
  const cost = days.map((it) => ({ label: it.key, value: Number(it.usd), text: usd(it.usd) }));
  const tokens = days.map((it) => ({
    label: it.key,
    value: inAll(it.tokens),
    text: `${count(inAll(it.tokens))} tokens`,
  }));
  const most = usage.byAgent.toSorted((a, b) => Number(b.usd) - Number(a.usd));
  return (
    <>
      <div class="plots">
        <Bars title="Cost per day" bars={cost} shown={usd} />
        <Bars title="Tokens per day" bars={tokens} shown={brief} />
      </div>
      <section aria-labelledby="by-agent">
        <h2 id="by-agent">By agent</h2>
        <Table caption="Usage by agent" heads={["Agent", ...HEADS]}>
          <Rows lines={most} />
        </Table>
      </section>
      <section aria-labelledby="by-model">
        <h2 id="by-model">By model</h2>
        <Table caption="Usage by model" heads={["Model", ...HEADS]}>
          <Rows lines={usage.byModel.toSorted((a, b) => Number(b.usd) - Number(a.usd))} />
        </Table>
      </section>
      <details>
        <summary>Each day as a table</summary>
        <Table caption="Usage by day (UTC)" heads={["Day", ...HEADS]}>
          <Rows lines={days.toReversed()} />
        </Table>
      </details>
    </>
  );
}

export function Usage({ tenant, query }: { tenant: ConsoleTenant; query: URLSearchParams }): JSX.Element {
  const days = PERIODS.find((it) => String(it) === query.get("days")) ?? 30;
  const usage = useResource<ConsoleUsage>(tenantPath(tenant.name, `/usage?days=${days}`), 30_000);
  return (
    <>
      <Heading title={`${tenant.name}: usage`}>Usage</Heading>
      <nav class="choice" aria-label="Period">
        {PERIODS.map((it) => (
          <Link key={it} to={tenantPath(tenant.name, `/usage?days=${it}`)} current={it === days}>
            {it} days
          </Link>
        ))}
      </nav>
      <Loaded of={usage}>
        {(it) => (
          <>
            <div class="cards">
              <Budget level={2} title="Today (UTC)" spent={it.spent.today} limit={it.budget.perDay} />
              <Budget level={2} title="This month (UTC)" spent={it.spent.month} limit={it.budget.perMonth} />
            </div>
            {it.byDay.length === 0 ? (
              <Empty title={`Nothing was spent in the last ${days} days`}>
                Each answered question appears here when its run is over.
              </Empty>
            ) : (
              <Plots usage={it} />
            )}
          </>
        )}
      </Loaded>
    </>
  );
}
