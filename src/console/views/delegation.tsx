import type { JSX } from "preact";
import type { ConsoleRunNode } from "../../api/console.ts";
import { brief, usd, words } from "../format.ts";
import { tenantPath } from "../http.ts";
import { Link } from "../router.tsx";
import { RunState } from "../ui/badge.tsx";
import { Name } from "../ui/said.tsx";
import { Time } from "../ui/time.tsx";

const durationOf = ({ createdAt, finishedAt }: ConsoleRunNode): string => {
  if (finishedAt === null) return "not over";
  const seconds = (Date.parse(finishedAt) - Date.parse(createdAt)) / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} min`;
};

function Tools({ tools }: Pick<ConsoleRunNode, "tools">): JSX.Element | null {
  if (tools.length === 0) return null;
  return (
    <ul class="chips" aria-label="Tool calls">
      {tools.map((it, i) => (
        <li key={i}>
          <Name text={it.name} /> <span class={it.state === "failed" ? "failed" : "muted"}>{words(it.state)}</span>
        </li>
      ))}
    </ul>
  );
}

function Node({ tenant, session, run }: { tenant: string; session: string; run: ConsoleRunNode }): JSX.Element {
  return (
    <li>
      <div class="run">
        <strong>
          <Name text={run.agent} />
        </strong>{" "}
        <RunState state={run.state} />
        <span class="muted">
          {usd(run.usd)}, {brief(run.tokens)} tokens, {run.iteration} model calls, {durationOf(run)},{" "}
          <Time at={run.createdAt} />
        </span>
        {run.sessionId !== session && (
          <Link to={tenantPath(tenant, `/sessions/${run.sessionId}`)}>
            Its conversation<span class="hidden"> with {run.agent}</span>
          </Link>
        )}
        <Tools tools={run.tools} />
      </div>
      {run.children.length > 0 && <Tree tenant={tenant} session={session} runs={run.children} />}
    </li>
  );
}

const Tree = ({ tenant, session, runs }: { tenant: string; session: string; runs: ConsoleRunNode[] }): JSX.Element => (
  <ul class="tree">
    {runs.map((run) => (
      <Node key={run.id} tenant={tenant} session={session} run={run} />
    ))}
  </ul>
);

/** Who asked whom: the session's runs, and below each those that it asked other agents for. */
export function Delegation(props: {
  tenant: string;
  session: string;
  runs: ConsoleRunNode[];
  cut: boolean;
}): JSX.Element {
  const { cut, ...tree } = props;
  return (
    <section aria-labelledby="runs">
      <h2 id="runs">Runs and delegation</h2>
      {cut && <p class="muted">There are more runs than are shown: these are the newest.</p>}
      {props.runs.length === 0 ? <p class="muted">No question has been asked yet.</p> : <Tree {...tree} />}
    </section>
  );
}
