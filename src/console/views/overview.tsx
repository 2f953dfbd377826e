import type { JSX } from "preact";
import type { ConsoleSecurityCheck, ConsoleTenant, ConsoleUsage } from "../../api/console.ts";
import { moment, spaced } from "../format.ts";
import { tenantPath } from "../http.ts";
import { Badge, type Tone } from "../ui/badge.tsx";
import { Budget } from "../ui/budget.tsx";
import { Heading } from "../ui/heading.tsx";
import { Empty, Loaded } from "../ui/notes.tsx";
import { Table } from "../ui/table.tsx";
import { Time } from "../ui/time.tsx";
import { useResource } from "../use-resource.ts";
import { Conditions } from "./conditions.tsx";

const TONES: Record<ConsoleSecurityCheck["status"], Tone> = { Failed: "bad", Unknown: "warn", Passed: "good" };
const ORDER = ["Failed", "Unknown", "Passed"];

function Spend({ tenant }: { tenant: string }): JSX.Element {
  const usage = useResource<ConsoleUsage>(tenantPath(tenant, "/usage?days=1"), 30_000);
  return (
    <section aria-labelledby="spend">
      <h2 id="spend">Spend</h2>
      <Loaded of={usage}>
        {({ spent, budget }) => (
          <div class="cards">
            <Budget level={3} title="Today (UTC)" spent={spent.today} limit={budget.perDay} />
            <Budget level={3} title="This month (UTC)" spent={spent.month} limit={budget.perMonth} />
          </div>
        )}
      </Loaded>
    </section>
  );
}

function Checks({ tenant, checks }: { tenant: string; checks: ConsoleSecurityCheck[] }): JSX.Element {
  if (checks.length === 0)
    return (
      <Empty title="The security checks have not run yet">
        They run a few seconds after the tenant was provisioned, and every ten minutes from then on.
      </Empty>
    );
  return (
    <Table caption={`Security checks of ${tenant}`} heads={["Check", "Result", "What was proved", "Checked"]}>
      {checks
        .toSorted((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status))
        .map((it) => (
          <tr key={it.name}>
            <th scope="row">{spaced(it.name)}</th>
            <td>
              <Badge tone={TONES[it.status]} text={it.status} />
            </td>
            <td class="wide">{it.message}</td>
            <td>
              <Time at={it.checkedAt} />
            </td>
          </tr>
        ))}
    </Table>
  );
}

function Facts({ tenant }: { tenant: ConsoleTenant }): JSX.Element {
  const { retention } = tenant;
  const facts: [string, string][] = [
    ["Namespace", tenant.namespace],
    ["Agents", String(tenant.agents)],
    ["Isolation", tenant.isolation === "Database" ? "a database of its own" : "a schema of the shared database"],
    ["Schema", `${tenant.schema ?? "none yet"}${tenant.schemaVersion ? `, at migration ${tenant.schemaVersion}` : ""}`],
    ["When deleted", tenant.deletionPolicy === "Delete" ? "its data goes" : "its data stays"],
    ["Kept", `sessions ${retention.sessionDays} days, audit ${retention.auditDays} days`],
    ["Created", tenant.createdAt ? moment(tenant.createdAt) : "unknown"],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Overview({ tenant }: { tenant: ConsoleTenant }): JSX.Element {
  const failed = tenant.securityChecks.filter((it) => it.status === "Failed").length;
  const passed = tenant.securityChecks.filter((it) => it.status === "Passed").length;
  return (
    <>
      <Heading title={`${tenant.name}: overview`}>Overview</Heading>
      <Facts tenant={tenant} />
      {tenant.rights.usage && <Spend tenant={tenant.name} />}
      <section aria-labelledby="conditions">
        <h2 id="conditions">Conditions</h2>
        <Conditions conditions={tenant.conditions} of={`Tenant ${tenant.name}`} />
      </section>
      <section aria-labelledby="checks">
        <h2 id="checks">Security checks</h2>
        {tenant.checks > 0 && (
          <p class="muted">
            {failed} failed, {passed} of {tenant.checks} passed.
          </p>
        )}
        <Checks tenant={tenant.name} checks={tenant.securityChecks} />
      </section>
    </>
  );
}
