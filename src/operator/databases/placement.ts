import type { RegisteredClaim, ServerRegistry } from "../../database/tenants.ts";
import type { DatabaseServer } from "./server-config.ts";

/** A server as placement sees it. */
export interface ServerView extends Pick<DatabaseServer, "acceptsNew" | "weight" | "maxTenants"> {
  name: string;
  /** What it knows of the Tenant and of its name; or why it could not be asked. */
  registry: ServerRegistry | { unreachable: string };
}

export interface PlacementQuestion {
  tenant: {
    uid: string;
    name: string;
    /** `spec.database.server`. */
    wish: string | undefined;
    /** It is to take over what an earlier Tenant of its name left. */
    adopt: boolean;
    /** No operator ever worked on it: it has no finalizer yet, and nowhere any data. */
    isNew: boolean;
  };
  /** This operator, as registries name it. */
  claimant: string;
  /** In the order of the configuration. */
  servers: readonly ServerView[];
}

export type Placement =
  | {
      server: string;
      /** found: its data is there · left: an earlier Tenant's of its name is · named: by its spec. */
      why: "found" | "left" | "named" | "least loaded";
    }
  | { refused: { reason: string; message: string } };

type Reached = ServerView & { registry: ServerRegistry };

const isReached = (it: ServerView): it is Reached => !("unreachable" in it.registry);
const list = (servers: readonly { name: string }[]): string => servers.map((it) => it.name).join(" and ");
const refuse = (reason: string, message: string): Placement => ({ refused: { reason, message } });

/**
 * Where a Tenant goes that is recorded nowhere. A Tenant whose status was lost is where its data is; so no server is passed over that
 * cannot be asked, unless the Tenant is proved to be new. Pure.
 */
export function placeTenant(question: PlacementQuestion): Placement {
  return foundPlacement(question) ?? unsafePlacement(question) ?? leftPlacement(question) ?? newPlacement(question);
}

/** Its own data decides, whatever the spec says. */
function foundPlacement({ tenant, servers }: PlacementQuestion): Placement | undefined {
  const homes = servers.filter((it) => isReached(it) && it.registry.claims.some(({ uid }) => uid === tenant.uid));
  const [home] = homes;
  if (!home) return undefined;
  if (homes.length > 1)
    return refuse(
      "DataOnTwoServers",
      `the servers ${list(homes)} both have data of this Tenant: make sure that no two entries name the same database, and that none was restored from another's backup; nothing is written until one of them has it alone`,
    );
  if (tenant.wish !== undefined && tenant.wish !== home.name)
    return refuse(
      "DatabaseServerDiffers",
      `spec.database.server is ${tenant.wish}, but this Tenant's data is on ${home.name}: set it to ${home.name}, or leave it out`,
    );
  return { server: home.name, why: "found" };
}

/** What must be known first. */
function unsafePlacement({ tenant, servers }: PlacementQuestion): Placement | undefined {
  const { wish } = tenant;
  if (wish !== undefined && !servers.some((it) => it.name === wish)) return unknownServer(wish, servers);
  const silent = servers.filter((it) => !isReached(it));
  if (silent.length === 0 || (tenant.isNew && !tenant.adopt)) return undefined;
  const why = silent.map((it) => ("unreachable" in it.registry ? it.registry.unreachable : "")).join("; ");
  return refuse(
    "PlacementHeld",
    `${list(silent)} cannot be asked whether data of this Tenant is there, and it gets no second home: it waits until ${silent.length > 1 ? "they answer" : "it answers"} (${why})`,
  );
}

export const unknownServer = (name: string, servers: readonly { name: string }[]): Placement =>
  refuse(
    "DatabaseServerUnknown",
    `spec.database.server is ${name}, which is no server of this operator; known are: ${servers.map((it) => it.name).join(", ")} (chart values database and databases)`,
  );

/** Whether a row of this name keeps others from it: another operator's Tenant that lives. Any other waits for who adopts it. */
const isOthers = (it: RegisteredClaim, claimant: string): boolean =>
  it.state === "active" && it.clusterUid !== claimant;

/** What an earlier Tenant of its name left is adopted, or stands in the way, where it is. */
function leftPlacement({ tenant, servers, claimant }: PlacementQuestion): Placement | undefined {
  const left = servers.filter((it) => isReached(it) && it.registry.claims.some((row) => !isOthers(row, claimant)));
  const [first] = left;
  if (!first) return undefined;
  const chosen = tenant.wish === undefined ? first : left.find((it) => it.name === tenant.wish);
  if (chosen && (left.length === 1 || tenant.wish !== undefined)) return { server: chosen.name, why: "left" };
  return refuse(
    "RetainedByEarlierTenant",
    `an earlier Tenant of this name left its data on ${list(left)}: name ${left.length > 1 ? "one of them" : "it"} in spec.database.server to take that data over, or have the data deleted (\`agentpg erase --retained ${tenant.name}\`)`,
  );
}

function newPlacement(question: PlacementQuestion): Placement {
  const { wish } = question.tenant;
  const open = question.servers.map((it) => ({ name: it.name, closed: whyClosed(it, question) }));
  if (wish !== undefined) {
    const closed = open.find((it) => it.name === wish)?.closed;
    return closed ? { refused: closed } : { server: wish, why: "named" };
  }
  const candidates = question.servers
    .filter(isReached)
    .filter(({ name }) => open.some((it) => it.name === name && !it.closed));
  const [least] = candidates.toSorted((a, b) => loadWithOneMore(a) - loadWithOneMore(b));
  if (least) return { server: least.name, why: "least loaded" };
  return refuse(
    "NoDatabaseServer",
    `no database server takes a new Tenant: ${open.map((it) => it.closed?.message).join("; ")}`,
  );
}

const loadWithOneMore = ({ registry, weight }: Reached): number => (registry.tenants + 1) / weight;

/** Why a server takes no Tenant that is new. */
function whyClosed(
  { name, registry, acceptsNew, maxTenants = Infinity }: ServerView,
  { claimant, tenant }: PlacementQuestion,
): { reason: string; message: string } | undefined {
  if (!acceptsNew)
    return { reason: "DatabaseServerDraining", message: `${name} takes no new Tenants (acceptsNew is false)` };
  if ("unreachable" in registry) return { reason: "DatabaseUnreachable", message: registry.unreachable };
  if (registry.tenants >= maxTenants)
    return {
      reason: "DatabaseServerFull",
      message: `${name} has ${registry.tenants} Tenants, and takes ${maxTenants} (maxTenants; retained ones count)`,
    };
  if (registry.claims.some((it) => isOthers(it, claimant)))
    return { reason: "SchemaClaimedByOther", message: `${name} has a Tenant ${tenant.name} of another operator` };
  return undefined;
}
