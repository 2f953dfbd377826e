import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ConsoleLiveRun, ConsoleTenant } from "../../api/console.ts";
import { brief, shortId, usd } from "../format.ts";
import { tenantPath } from "../http.ts";
import { Link } from "../router.tsx";
import { RunState } from "../ui/badge.tsx";
import { Heading } from "../ui/heading.tsx";
import { Empty, Loaded } from "../ui/notes.tsx";
import { Name } from "../ui/said.tsx";
import { Table } from "../ui/table.tsx";
import { Time } from "../ui/time.tsx";
import { useResource } from "../use-resource.ts";

const EVERY_MS = 2_000;

/** "2 running, 1 pending". Read out when it changes. */
export function summary(runs: readonly ConsoleLiveRun[]): string {
  const byState = Map.groupBy(runs, (it) => it.state.replaceAll("_", " "));
  return [...byState].map(([state, those]) => `${those.length} ${state}`).join(", ") || "Nothing is at work";
}

const Row = ({ tenant, run }: { tenant: string; run: ConsoleLiveRun }): JSX.Element => (
  <tr>
    <th scope="row">
      <Link to={tenantPath(tenant, `/sessions/${run.sessionId}`)}>
        <span class="hidden">Session </span>
        <code>{shortId(run.sessionId)}</code>
      </Link>
    </th>
    <td>
      <Name text={run.agent} />
      {run.depth > 0 && <span class="muted"> (asked by an agent)</span>}
    </td>
    <td>
      <Name text={run.user} />
    </td>
    <td>
      <RunState state={run.state} />
    </td>
    <td>{run.tools.map((it) => it).join(", ") || <span class="muted">none</span>}</td>
    <td class="number">{run.iteration}</td>
    <td class="number">{brief(run.tokens)}</td>
    <td class="number">{usd(run.usd)}</td>
    <td>
      <Time at={run.startedAt ?? run.createdAt} />
    </td>
    <td>{run.pod ? <Name text={run.pod} /> : <span class="muted">none</span>}</td>
  </tr>
);

export function LiveRuns({ tenant }: { tenant: ConsoleTenant }): JSX.Element {
  const [paused, setPaused] = useState(false);
  const runs = useResource<{ items: ConsoleLiveRun[] }>(tenantPath(tenant.name, "/runs"), paused ? 0 : EVERY_MS);
  const items = runs.data?.items ?? [];
  return (
    <>
      <Heading title={`${tenant.name}: live runs`}>Live runs</Heading>
      <div class="inline">
        <p role="status" aria-live="polite">
          {runs.data ? summary(items) : ""}
        </p>
        <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          Pause updates
        </button>
      </div>
      <Loaded of={runs}>
        {() =>
          items.length === 0 ? (
            <Empty title="No run is under way">What agents work on appears here within two seconds.</Empty>
          ) : (
            <Table
              caption={`Runs of ${tenant.name} that are not over, the newest first`}
              heads={["Session", "Agent", "User", "State", "Tools", "#Model calls", "#Tokens", "#Cost", "Began", "Pod"]}
            >
              {items.map((it) => (
                <Row key={it.id} tenant={tenant.name} run={it} />
              ))}
            </Table>
          )
        }
      </Loaded>
    </>
  );
}
