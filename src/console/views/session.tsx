import type { JSX } from "preact";
import type { ConsoleSessionDetail, ConsoleTenant } from "../../api/console.ts";
import { moment, shortId, usd } from "../format.ts";
import { tenantPath } from "../http.ts";
import { Link } from "../router.tsx";
import { RunState } from "../ui/badge.tsx";
import { Heading } from "../ui/heading.tsx";
import { Loaded, NoRight } from "../ui/notes.tsx";
import { Name } from "../ui/said.tsx";
import { useResource } from "../use-resource.ts";
import { Delegation } from "./delegation.tsx";
import { Transcript } from "./transcript.tsx";

const OVER = new Set(["completed", "failed", "cancelled"]);

function Facts({ tenant, detail }: { tenant: string; detail: ConsoleSessionDetail }): JSX.Element {
  const { session, parentSession } = detail;
  return (
    <dl class="facts">
      <div>
        <dt>Agent</dt>
        <dd>
          <Name text={session.agent} />
        </dd>
      </div>
      <div>
        <dt>User</dt>
        <dd>
          <Name text={session.user} />
        </dd>
      </div>
      <div>
        <dt>Last run</dt>
        <dd>{session.state ? <RunState state={session.state} /> : "none yet"}</dd>
      </div>
      <div>
        <dt>Cost</dt>
        <dd>{usd(session.usd)}</dd>
      </div>
      <div>
        <dt>Began</dt>
        <dd>{moment(session.createdAt)}</dd>
      </div>
      {session.compactions > 0 && (
        <div>
          <dt>Compacted</dt>
          <dd>{session.compactions} times; the transcript shows what was said</dd>
        </div>
      )}
      {parentSession && (
        <div>
          <dt>Asked for by</dt>
          <dd>
            <Link to={tenantPath(tenant, `/sessions/${parentSession}`)}>session {shortId(parentSession)}</Link>
          </dd>
        </div>
      )}
      <div class="whole">
        <dt>Id</dt>
        <dd>
          <code>{session.id}</code>
        </dd>
      </div>
    </dl>
  );
}

/** One conversation: who with whom, what it took, who asked whom, and what was said to those who may read it. */
export function Session({ tenant, id }: { tenant: ConsoleTenant; id: string }): JSX.Element {
  const detail = useResource<ConsoleSessionDetail>(
    tenantPath(tenant.name, `/sessions/${encodeURIComponent(id)}`),
    3_000,
  );
  return (
    <>
      <p class="crumbs">
        <Link to={tenantPath(tenant.name, "/sessions")}>All sessions</Link>
      </p>
      <Heading title={`${tenant.name}: session ${shortId(id)}`}>Session {shortId(id)}</Heading>
      <Loaded of={detail}>
        {(it) => (
          <>
            <Facts tenant={tenant.name} detail={it} />
            <Delegation tenant={tenant.name} session={it.session.id} runs={it.runs} cut={it.cut} />
            {tenant.rights.transcripts ? (
              <Transcript
                tenant={tenant.name}
                session={it.session.id}
                user={it.session.user}
                agent={it.session.agent}
                live={it.session.state !== null && !OVER.has(it.session.state)}
              />
            ) : (
              <section aria-labelledby="transcript">
                <h2 id="transcript">Transcript</h2>
                <NoRight what="what was said in sessions" right="get tenants/transcripts.agentpg.dev" />
              </section>
            )}
          </>
        )}
      </Loaded>
    </>
  );
}
