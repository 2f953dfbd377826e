import type { JSX } from "preact";
import type { ConsoleSpend, ConsoleSpendLimit } from "../../api/console.ts";
import { usd } from "../format.ts";
import { tenantPath } from "../http.ts";
import { Badge } from "../ui/badge.tsx";
import { partsOf } from "../ui/budget.tsx";
import { useResource } from "../use-resource.ts";

const EVERY_MS = 60_000;
const NOT_ALLOWED = 403;

/** What was spent, and each limit from four fifths on. */
function Spent({ of, limit }: { of: { usd: string; tokens: number }; limit: ConsoleSpendLimit | null }): JSX.Element {
  const near = partsOf(of, limit).filter(({ tone }) => tone !== "good");
  return (
    <>
      {usd(of.usd)}
      {limit && limit.usd !== null && <span class="muted"> of {usd(limit.usd)}</span>}
      {near.map(({ ratio, tone, text }) => (
        <span key={text}>
          {" "}
          <Badge tone={tone} text={ratio >= 1 ? `${text}: used up` : `${Math.round(ratio * 100)} % of the budget`} />
        </span>
      ))}
    </>
  );
}

/** Two cells of a tenant's row: what it spent today and this month. Each row asks for its own: one slow database holds up one row. */
export function SpendCells({ tenant }: { tenant: string }): JSX.Element {
  const { data, failure } = useResource<ConsoleSpend>(tenantPath(tenant, "/spend"), EVERY_MS);
  if (data)
    return (
      <>
        <td class="number">
          <Spent of={data.spent.today} limit={data.budget.perDay} />
        </td>
        <td class="number">
          <Spent of={data.spent.month} limit={data.budget.perMonth} />
        </td>
      </>
    );
  const why = failure === undefined ? "…" : failure.status === NOT_ALLOWED ? "not shown to you" : "not known now";
  return (
    <td colSpan={2} class="muted" title={failure?.message}>
      {why}
    </td>
  );
}
