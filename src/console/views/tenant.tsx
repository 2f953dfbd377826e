import type { JSX } from "preact";
import type { ConsoleRight, ConsoleTenant } from "../../api/console.ts";
import { spaced } from "../format.ts";
import { tenantPath } from "../http.ts";
import { Link } from "../router.tsx";
import { Badge, readyTone, readyWord } from "../ui/badge.tsx";
import { Heading } from "../ui/heading.tsx";
import { Loaded, NoRight } from "../ui/notes.tsx";
import { useResource } from "../use-resource.ts";
import { Agents } from "./agents.tsx";
import { Approvals } from "./approvals.tsx";
import { Audit } from "./audit.tsx";
import { LiveRuns } from "./live-runs.tsx";
import { Overview } from "./overview.tsx";
import { Session } from "./session.tsx";
import { Sessions } from "./sessions.tsx";
import { Usage } from "./usage.tsx";

interface View {
  id: string;
  title: string;
  right: ConsoleRight;
  /** The right as RBAC has it, for who lacks it. */
  needs: string;
  show(props: { tenant: ConsoleTenant; query: URLSearchParams }): JSX.Element;
}

const VIEWS: View[] = [
  { id: "", title: "Overview", right: "tenant", needs: "get tenants", show: Overview },
  { id: "agents", title: "Agents", right: "agents", needs: "list agents", show: Agents },
  { id: "usage", title: "Usage", right: "usage", needs: "get tenants/usage", show: Usage },
  { id: "sessions", title: "Sessions", right: "sessions", needs: "get tenants/sessions", show: Sessions },
  { id: "runs", title: "Live runs", right: "sessions", needs: "get tenants/sessions", show: LiveRuns },
  { id: "approvals", title: "Approvals", right: "approvals", needs: "get tenants/approvals", show: Approvals },
  { id: "audit", title: "Audit", right: "audit", needs: "get tenants/audit", show: Audit },
];

function Tabs({ tenant, current }: { tenant: ConsoleTenant; current: string }): JSX.Element {
  return (
    <nav class="tabs" aria-label="Views of the tenant">
      <ul>
        {VIEWS.filter(({ right }) => tenant.rights[right]).map(({ id, title }) => (
          <li key={id}>
            <Link to={tenantPath(tenant.name, id ? `/${id}` : "")} current={id === current}>
              {title}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

interface TenantProps {
  name: string;
  /** What comes behind the tenant in the address. */
  rest: string[];
  query: URLSearchParams;
}

/** One tenant: what it is, where in it we are, and the view. */
export function Tenant({ name, rest, query }: TenantProps): JSX.Element {
  const tenant = useResource<ConsoleTenant>(tenantPath(name), 10_000);
  const [id = "", session] = rest;
  const view = VIEWS.find((it) => it.id === id);
  if (tenant.data === undefined)
    return (
      <main id="content">
        <Heading title={name}>Tenant {name}</Heading>
        <Loaded of={tenant}>{() => null}</Loaded>
      </main>
    );
  return (
    <Loaded of={tenant}>
      {(it) => (
        <>
          <section class="tenant-head" aria-label={`Tenant ${it.name}`}>
            <p class="tenant-name">
              <span class="muted">Tenant</span> <strong>{it.name}</strong>{" "}
              <Badge tone={readyTone(it.ready)} text={readyWord(it.ready)} />
              {it.ready !== "True" && <span class="muted"> {spaced(it.reason)}</span>}
              {it.paused && <Badge tone="warn" text="Paused" />}
            </p>
            <Tabs tenant={it} current={id} />
          </section>
          <main id="content">
            {view === undefined && <Heading title="Not found">There is no such view</Heading>}
            {view && !tenantMay(it, view) && <Refused view={view} />}
            {view && tenantMay(it, view) && session === undefined && <view.show tenant={it} query={query} />}
            {view?.id === "sessions" && tenantMay(it, view) && session !== undefined && (
              <Session key={session} tenant={it} id={session} />
            )}
          </main>
        </>
      )}
    </Loaded>
  );
}

const tenantMay = (tenant: ConsoleTenant, { right }: View): boolean => tenant.rights[right];

const Refused = ({ view: { title, needs } }: { view: View }): JSX.Element => (
  <>
    <Heading title={title}>{title}</Heading>
    <NoRight what={title.toLowerCase()} right={`${needs}.agentpg.dev`} />
  </>
);
