import type { JSX } from "preact";
import type { ConsoleAgent, ConsoleTenant } from "../../api/console.ts";
import { tenantPath } from "../http.ts";
import { Link } from "../router.tsx";
import { Badge, readyTone, readyWord } from "../ui/badge.tsx";
import { Heading } from "../ui/heading.tsx";
import { Empty, Loaded } from "../ui/notes.tsx";
import { useResource } from "../use-resource.ts";
import { Conditions } from "./conditions.tsx";

const PII: Record<string, string> = { Redact: "redacted", Block: "refused", Off: "not looked for" };

function Tools({ tools }: Pick<ConsoleAgent, "tools">): JSX.Element {
  if (tools.length === 0) return <>none</>;
  return (
    <ul class="chips">
      {tools.map(({ name, kind, needsApproval }) => (
        <li key={name}>
          {name} <span class="muted">{kind}</span>
          {needsApproval && <span class="muted">, asks a person</span>}
        </li>
      ))}
    </ul>
  );
}

function Agent({ tenant, agent }: { tenant: ConsoleTenant; agent: ConsoleAgent }): JSX.Element {
  return (
    <section class="card" aria-labelledby={`agent-${agent.name}`}>
      <div class="card-head">
        <h2 id={`agent-${agent.name}`}>{agent.name}</h2>
        <Badge tone={readyTone(agent.ready)} text={readyWord(agent.ready)} />
        {tenant.rights.sessions && (
          <Link class="aside" to={tenantPath(tenant.name, `/sessions?agent=${encodeURIComponent(agent.name)}`)}>
            Sessions of {agent.name}
          </Link>
        )}
      </div>
      <dl class="facts">
        <div>
          <dt>Model</dt>
          <dd>
            {agent.model}
            {agent.mode === "Batch" && ", in batches"}
          </dd>
        </div>
        <div>
          <dt>Pods ready</dt>
          <dd>
            {agent.readyReplicas} of {agent.replicas}
          </dd>
        </div>
        <div>
          <dt>Personal data</dt>
          <dd>{PII[agent.pii] ?? agent.pii}</dd>
        </div>
        <div>
          <dt>Transcripts</dt>
          <dd>{agent.encrypted ? "encrypted" : "not encrypted by column"}</dd>
        </div>
        <div class="whole">
          <dt>Tools</dt>
          <dd>
            <Tools tools={agent.tools} />
          </dd>
        </div>
      </dl>
      <details open={agent.ready !== "True"}>
        <summary>Conditions of {agent.name}</summary>
        <Conditions conditions={agent.conditions} of={`Agent ${agent.name}`} />
      </details>
    </section>
  );
}

export function Agents({ tenant }: { tenant: ConsoleTenant }): JSX.Element {
  const agents = useResource<{ items: ConsoleAgent[] }>(tenantPath(tenant.name, "/agents"), 10_000);
  return (
    <>
      <Heading title={`${tenant.name}: agents`}>Agents</Heading>
      <Loaded of={agents}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="This tenant has no agents yet">
              Apply an Agent in namespace <code>{tenant.namespace}</code>: <code>kubectl apply -f agent.yaml</code>
            </Empty>
          ) : (
            <div class="stack">
              {items.map((it) => (
                <Agent key={it.name} tenant={tenant} agent={it} />
              ))}
            </div>
          )
        }
      </Loaded>
    </>
  );
}
