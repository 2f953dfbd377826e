import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ConsoleAudit, ConsoleAuditRow, ConsoleTenant } from "../../api/console.ts";
import { count } from "../format.ts";
import { Failure, get, tenantPath } from "../http.ts";
import { Badge } from "../ui/badge.tsx";
import { Heading } from "../ui/heading.tsx";
import { Empty, Loaded, Problem } from "../ui/notes.tsx";
import { Code, Name } from "../ui/said.tsx";
import { Table } from "../ui/table.tsx";
import { Time } from "../ui/time.tsx";
import { useResource } from "../use-resource.ts";

function Chain({ tenant, audit }: { tenant: ConsoleTenant; audit: ConsoleAudit }): JSX.Element {
  const check = tenant.securityChecks.find((it) => it.name === "AuditIntact");
  const { head, verified } = audit;
  return (
    <section class="card" aria-labelledby="chain">
      <div class="card-head">
        <h2 id="chain">The chain</h2>
        {check?.status === "Failed" ? (
          <Badge tone="bad" text="Broken" />
        ) : check?.status === "Passed" ? (
          <Badge tone="good" text="Intact" />
        ) : (
          <Badge tone="warn" text="Not verified yet" />
        )}
      </div>
      {check?.status === "Failed" && <p class="note bad">{check.message}</p>}
      <dl class="facts">
        <div>
          <dt>Lines written</dt>
          <dd>{count(head.seq)}</dd>
        </div>
        <div>
          <dt>Last found whole</dt>
          <dd>
            {verified ? (
              <>
                <Time at={verified.at} />, up to line {count(verified.seq)}
              </>
            ) : (
              "never"
            )}
          </dd>
        </div>
        <div class="whole">
          <dt>Hash of the last line</dt>
          <dd>
            <code class="hash">{head.hash}</code>
          </dd>
        </div>
      </dl>
      <p class="muted">
        Keep this hash elsewhere. <code>agentpg audit verify {tenant.name}</code> goes over the whole log.
      </p>
    </section>
  );
}

const Row = ({ row }: { row: ConsoleAuditRow }): JSX.Element => (
  <tr>
    <th scope="row" class="number">
      {row.seq}
    </th>
    <td>{row.at ? <Time at={row.at} exact /> : "unknown"}</td>
    <td>
      <code>{row.action}</code> {!row.intact && <Badge tone="bad" text="Changed" />}
    </td>
    <td>{row.agent ? <Name text={row.agent} /> : <span class="muted">none</span>}</td>
    <td>{row.user ? <Name text={row.user} /> : <span class="muted">none</span>}</td>
    <td>
      <details>
        <summary>
          Details<span class="hidden"> of line {row.seq}</span>
        </summary>
        <Code text={row.detail} />
      </details>
    </td>
  </tr>
);

export function Audit({ tenant }: { tenant: ConsoleTenant }): JSX.Element {
  const path = tenantPath(tenant.name, "/audit?limit=50");
  const newest = useResource<ConsoleAudit>(path);
  const [older, setOlder] = useState<ConsoleAudit[]>([]);
  const [failure, setFailure] = useState<Failure>();
  const next = (older.at(-1) ?? newest.data)?.next ?? null;
  const more = async () => {
    try {
      const page = await get<ConsoleAudit>(`${path}&before=${next}`);
      setOlder([...older, page]);
      setFailure(undefined);
    } catch (error) {
      if (error instanceof Failure) setFailure(error);
      else throw error;
    }
  };
  return (
    <>
      <Heading title={`${tenant.name}: audit`}>Audit</Heading>
      <Loaded of={newest}>
        {(audit) => (
          <>
            <Chain tenant={tenant} audit={audit} />
            {audit.items.length === 0 ? (
              <Empty title="The log has no lines yet">
                Each question, tool call, decision and look at a transcript adds one.
              </Empty>
            ) : (
              <Table
                caption={`Audit log of ${tenant.name}, the newest line first`}
                heads={["#Line", "Time", "Action", "Agent", "User", "More"]}
              >
                {[audit, ...older]
                  .flatMap(({ items }) => items)
                  .map((row) => (
                    <Row key={row.seq} row={row} />
                  ))}
              </Table>
            )}
            {next !== null && (
              <button type="button" class="more" onClick={() => void more()}>
                Show older lines
              </button>
            )}
            {failure && <Problem failure={failure} />}
          </>
        )}
      </Loaded>
    </>
  );
}
