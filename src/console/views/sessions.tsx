import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ConsolePage, ConsoleSession, ConsoleTenant } from "../../api/console.ts";
import { shortId, usd } from "../format.ts";
import { fieldOf } from "../form.ts";
import { Failure, get, tenantPath } from "../http.ts";
import { go, Link } from "../router.tsx";
import { RunState } from "../ui/badge.tsx";
import { Heading } from "../ui/heading.tsx";
import { Empty, Loaded, Problem } from "../ui/notes.tsx";
import { Name } from "../ui/said.tsx";
import { Table } from "../ui/table.tsx";
import { Time } from "../ui/time.tsx";
import { useResource } from "../use-resource.ts";

type Page = ConsolePage<ConsoleSession, string>;

function Filter({ tenant, query }: { tenant: string; query: URLSearchParams }): JSX.Element {
  const filter = (event: SubmitEvent) => {
    event.preventDefault();
    const wanted = new URLSearchParams();
    for (const name of ["agent", "user"]) {
      const value = fieldOf(event, name);
      if (value) wanted.set(name, value);
    }
    go(tenantPath(tenant, `/sessions${wanted.size > 0 ? `?${wanted}` : ""}`));
  };
  return (
    <form class="inline" onSubmit={filter} aria-label="Which sessions">
      <label for="agent">Agent</label>
      <input id="agent" name="agent" autocomplete="off" spellcheck={false} defaultValue={query.get("agent") ?? ""} />
      <label for="user">User</label>
      <input id="user" name="user" autocomplete="off" spellcheck={false} defaultValue={query.get("user") ?? ""} />
      <button type="submit">Show</button>
    </form>
  );
}

const Row = ({ tenant, session: it }: { tenant: string; session: ConsoleSession }): JSX.Element => (
  <tr>
    <th scope="row">
      <Link to={tenantPath(tenant, `/sessions/${it.id}`)}>
        <span class="hidden">Session </span>
        <code>{shortId(it.id)}</code>
      </Link>
    </th>
    <td>
      <Name text={it.agent} />
    </td>
    <td>
      <Name text={it.user} />
      {it.parentRun && <span class="muted"> (asked by an agent)</span>}
    </td>
    <td>{it.state ? <RunState state={it.state} /> : <span class="muted">no question yet</span>}</td>
    <td class="number">{it.runs}</td>
    <td class="number">{usd(it.usd)}</td>
    <td>
      <Time at={it.lastAt ?? it.createdAt} />
    </td>
  </tr>
);

/** Older pages, below the newest, which is asked for again and again. */
function useOlder(path: string, first: Page | undefined) {
  const [older, setOlder] = useState<Page[]>([]);
  const [failure, setFailure] = useState<Failure>();
  useEffect(() => setOlder([]), [path]);
  const next = (older.at(-1) ?? first)?.next ?? null;
  const more = async () => {
    try {
      const page = await get<Page>(`${path}&before=${next}`);
      setOlder((before) => [...before, page]);
      setFailure(undefined);
    } catch (error) {
      if (error instanceof Failure) setFailure(error);
      else throw error;
    }
  };
  return { items: older.flatMap((it) => it.items), next, more, failure };
}

export function Sessions({ tenant, query }: { tenant: ConsoleTenant; query: URLSearchParams }): JSX.Element {
  const wanted = new URLSearchParams({ limit: "50" });
  for (const name of ["agent", "user"]) if (query.get(name)) wanted.set(name, query.get(name) ?? "");
  const path = tenantPath(tenant.name, `/sessions?${wanted}`);
  const newest = useResource<Page>(path, 10_000);
  const older = useOlder(path, newest.data);
  const filtered = wanted.size > 1;
  return (
    <>
      <Heading title={`${tenant.name}: sessions`}>Sessions</Heading>
      <Filter key={path} tenant={tenant.name} query={query} />
      <Loaded of={newest}>
        {(page) => {
          const known = new Set(page.items.map((it) => it.id));
          const items = [...page.items, ...older.items.filter((it) => !known.has(it.id))];
          if (items.length === 0)
            return filtered ? (
              <Empty title="No session fits">
                Names of agents and users are compared whole: leave one of them out.
              </Empty>
            ) : (
              <Empty title="Nobody has talked with an agent of this tenant yet">
                <code>agentpg chat AGENT --tenant {tenant.name}</code> begins a session.
              </Empty>
            );
          return (
            <>
              <Table
                caption={`Sessions of ${tenant.name}, the newest first`}
                heads={["Session", "Agent", "User", "Last run", "#Runs", "#Cost", "Last active"]}
              >
                {items.map((it) => (
                  <Row key={it.id} tenant={tenant.name} session={it} />
                ))}
              </Table>
              {older.next && (
                <button type="button" class="more" onClick={() => void older.more()}>
                  Show older sessions
                </button>
              )}
              {older.failure && <Problem failure={older.failure} />}
            </>
          );
        }}
      </Loaded>
    </>
  );
}
