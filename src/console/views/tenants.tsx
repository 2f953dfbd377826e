import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ConsoleTenantLine, ConsoleTenants } from "../../api/console.ts";
import { fieldOf } from "../form.ts";
import { tenantPath } from "../http.ts";
import { go, Link } from "../router.tsx";
import { Badge, readyTone, readyWord } from "../ui/badge.tsx";
import { Heading } from "../ui/heading.tsx";
import { Empty, Loaded } from "../ui/notes.tsx";
import { Table } from "../ui/table.tsx";
import { spaced } from "../format.ts";
import { useResource } from "../use-resource.ts";
import { SpendCells } from "./spend-cells.tsx";

/** From so many on, there is something to search by. */
const MANY = 8;
/** Spend is asked for of each tenant that is shown: of so many at most, and of the others when they are searched for. */
const WITH_SPEND = 50;

function Checks({ failedChecks, checks }: ConsoleTenantLine): JSX.Element {
  if (checks === 0) return <span class="muted">not run yet</span>;
  if (failedChecks === 0) return <Badge tone="good" text="None failed" />;
  return <Badge tone="bad" text={`${failedChecks} failed`} />;
}

const Row = ({ spend, ...it }: ConsoleTenantLine & { spend: boolean }): JSX.Element => (
  <tr>
    <th scope="row">
      <Link to={tenantPath(it.name)}>{it.name}</Link>
    </th>
    <td>
      <Badge tone={readyTone(it.ready)} text={readyWord(it.ready)} />{" "}
      {it.ready !== "True" && <span class="muted">{spaced(it.reason)}</span>}
      {it.paused && <Badge tone="warn" text="Paused" />}
    </td>
    {spend ? (
      <SpendCells tenant={it.name} />
    ) : (
      <td colSpan={2} class="muted">
        find it by its name
      </td>
    )}
    <td class="number">{it.agents}</td>
    <td>
      <Checks {...it} />
    </td>
    <td>{it.namespace}</td>
  </tr>
);

function ByName(): JSX.Element {
  const open = (event: SubmitEvent) => {
    event.preventDefault();
    const name = fieldOf(event, "name");
    if (name) go(tenantPath(name));
  };
  return (
    <form class="inline" onSubmit={open}>
      <label for="name">Name of the tenant</label>
      <input id="name" name="name" required autocomplete="off" spellcheck={false} />
      <button type="submit">Open</button>
    </form>
  );
}

function List({ items }: { items: ConsoleTenantLine[] }): JSX.Element {
  const [wanted, setWanted] = useState("");
  const found = items.filter((it) => `${it.name} ${it.namespace}`.includes(wanted.trim().toLowerCase()));
  return (
    <>
      {items.length >= MANY && (
        <div class="inline">
          <label for="search">Find</label>
          <input id="search" type="search" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
          <p role="status" class="muted">
            {found.length} of {items.length} tenants
          </p>
        </div>
      )}
      <Table
        caption="Tenants"
        heads={["Tenant", "State", "#Spent today", "#Spent this month", "#Agents", "Security checks", "Namespace"]}
      >
        {found.map((it, i) => (
          <Row key={it.name} {...it} spend={i < WITH_SPEND} />
        ))}
      </Table>
      {found.length === 0 && <Empty title="No tenant has this in its name" />}
    </>
  );
}

export function Tenants(): JSX.Element {
  const tenants = useResource<ConsoleTenants>("/tenants", 10_000);
  return (
    <main id="content">
      <Heading title="Tenants">Tenants</Heading>
      <Loaded of={tenants}>
        {({ items, byNameOnly }) => {
          if (byNameOnly)
            return (
              <>
                <p>There are too many tenants to ask Kubernetes about each. Open yours by its name.</p>
                <ByName />
              </>
            );
          if (items.length > 0) return <List items={items} />;
          return (
            <>
              <Empty title="There is no tenant that you may see">
                <code>kubectl get tenants</code> lists those that there are. To see one here, your user needs{" "}
                <code>get tenants.agentpg.dev</code> for its name.
              </Empty>
              <ByName />
            </>
          );
        }}
      </Loaded>
    </main>
  );
}
