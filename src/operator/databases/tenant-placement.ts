import type { Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";
import { type Caches, TENANT } from "../caches.ts";
import { ADOPT_ANNOTATION } from "../labels.ts";
import type { DatabaseAccess } from "./database-access.ts";
import { PlacementRefused } from "./errors.ts";
import { type Placement, placeTenant, type ServerView } from "./placement.ts";
import { DEFAULT_SERVER } from "./server-config.ts";
import type { DatabaseServers } from "./servers.ts";

interface PlacementDependencies {
  client: KubernetesClient;
  caches: Caches;
  events: EventRecorder;
  databases: DatabaseServers;
  /** See {@link claimantOf}. */
  claimant: () => Promise<string>;
}

/**
 * Gives each Tenant its database server, once. The choice is in the Tenant's status before anything of it is on a server, so whoever
 * goes on after a kill makes the same. A status that is lost is found again in the servers' registries.
 */
export class TenantPlacement {
  readonly #deps: PlacementDependencies;
  /** Choices whose claim may not be in the registry yet, by UID: they count as load. */
  readonly #onTheirWay = new Map<string, string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(deps: PlacementDependencies) {
    this.#deps = deps;
  }

  /**
   * The Tenant with its server in its status; written there if it was not.
   * @param isNew it had no finalizer yet: nothing was ever made for it
   * @throws PlacementRefused and other DatabaseErrors; ApiError, a conflict if the Tenant was changed meanwhile
   */
  async ensure(tenant: Tenant, isNew: boolean): Promise<Tenant> {
    if (tenant.status.database?.server !== undefined) return tenant;
    if (this.#deps.databases.all().length === 1) return this.#place(tenant, isNew);
    // One after the other: the next one sees what the last one chose.
    const placed = this.#turn.then(() => this.#place(tenant, isNew));
    this.#turn = placed.catch(() => {});
    return placed;
  }

  /** The Tenant has its row in the registry of its server, or needs none any more. */
  settled(tenant: Tenant): void {
    this.#onTheirWay.delete(tenant.metadata.uid);
  }

  /**
   * The server with the Tenant's data, by its status or by the registries; undefined: none has any.
   * @throws DatabaseServerUnknown; DatabaseError when a server that may have it cannot be asked
   */
  async find(tenant: Tenant): Promise<DatabaseAccess | undefined> {
    const { databases } = this.#deps;
    if (tenant.status.database?.server !== undefined || databases.all().length === 1) return databases.of(tenant);
    const answers = await Promise.allSettled(
      databases
        .all()
        .map((server) => server.use(async (it) => ((await it.find(tenant.metadata.uid)) ? server : undefined))),
    );
    const home = answers.find((it) => it.status === "fulfilled" && it.value !== undefined);
    const silent = answers.find((it) => it.status === "rejected");
    if (!home && silent) throw silent.reason;
    return home?.status === "fulfilled" ? home.value : undefined;
  }

  async #place(tenant: Tenant, isNew: boolean): Promise<Tenant> {
    const { databases, events } = this.#deps;
    const isChoice = databases.all().length > 1;
    const placement = isChoice ? await this.#choose(tenant, isNew) : onlyServer(tenant);
    if ("refused" in placement) throw new PlacementRefused(placement.refused);
    const { server, why } = placement;
    if (why !== "found") this.#onTheirWay.set(tenant.metadata.uid, server);
    const recorded = await this.#record(tenant, server);
    if (isChoice && recorded !== server)
      throw new PlacementRefused({
        reason: "DefinitionOutdated",
        message: `the API server does not keep status.database: with several database servers the operator needs the CustomResourceDefinitions of its own version, apply those of the chart's folder crds/`,
      });
    if (isChoice && why !== "found")
      await events.record(tenant, "Normal", "Placed", `this Tenant is on the database server ${server} (${why})`);
    return { ...tenant, status: { ...tenant.status, database: { server } } };
  }

  async #choose({ metadata, spec }: Tenant, isNew: boolean): Promise<Placement> {
    const { uid, name, annotations } = metadata;
    const servers = await Promise.all(this.#deps.databases.all().map((it) => this.#look(it, { uid, name })));
    const adopt = annotations[ADOPT_ANNOTATION] === "true";
    const claimant = await this.#deps.claimant();
    return placeTenant({ tenant: { uid, name, wish: spec.database.server, adopt, isNew }, claimant, servers });
  }

  async #look(access: DatabaseAccess, tenant: { uid: string; name: string }): Promise<ServerView> {
    const { name, config } = access;
    const coming = [...this.#onTheirWay].flatMap(([uid, server]) =>
      server === name && uid !== tenant.uid ? [uid] : [],
    );
    const { acceptsNew, weight, maxTenants } = config;
    const view = { name, acceptsNew, weight, maxTenants };
    try {
      const { claims, tenants } = await access.use((it) => it.registryFor(tenant, coming));
      return { ...view, registry: { claims, tenants: tenants + coming.length } };
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.reason === "StaleEpoch") throw error;
      return { ...view, registry: { unreachable: error.message } };
    }
  }

  /** Gives what the API server kept. Only if the Tenant is still as it was looked at: of two that place it at once, one is refused. */
  async #record({ metadata: { name, resourceVersion } }: Tenant, server: string): Promise<string | undefined> {
    const { client, caches } = this.#deps;
    const body = { metadata: { resourceVersion }, status: { database: { server } } };
    const written = await client.mergePatch(TENANT, name, undefined, body, "status");
    caches.tenants.learn(written);
    return (written as { status?: Tenant["status"] }).status?.database?.server;
  }
}

const onlyServer = ({ spec }: Tenant): Placement => {
  const wish = spec.database.server;
  if (wish === undefined || wish === DEFAULT_SERVER) return { server: DEFAULT_SERVER, why: "named" };
  return {
    refused: {
      reason: "DatabaseServerUnknown",
      message: `spec.database.server is ${wish}, and this operator has one server, ${DEFAULT_SERVER}: leave the field out, or add the server (chart value databases)`,
    },
  };
};
