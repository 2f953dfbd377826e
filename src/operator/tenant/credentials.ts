import { tenantNamespace, type Tenant } from "../../api/tenant.ts";
import type { CredentialsRequest, EnsuredCredentials } from "../../database/rotation/ensure-credentials.ts";
import type { EnsuredTenant, TenantRecord } from "../../database/tenants.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import type { DatabaseServers } from "../databases/servers.ts";
import { ROTATE_ANNOTATION } from "../labels.ts";
import { DATABASE_SECRET } from "../shared-names.ts";
import { found } from "../found.ts";
import { credentialsSecret, readCredentials } from "./objects/credentials-secret.ts";
import { nudgePods } from "./nudge-pods.ts";
import { publishSecret } from "./publish-secret.ts";
import { tellOfRotation } from "./rotation-events.ts";

interface CredentialsDependencies {
  client: KubernetesClient;
  events: EventRecorder;
  databases: DatabaseServers;
}

/** A whole rotation that nobody has to be waited for takes two rounds: the new password is published, and seen to be. */
const MOST_ROUNDS = 4;
/** What is kept of an annotation's value, in characters. */
const LONGEST_REQUEST = 253;

/** Keeps the tenant's Secret and the login in Postgres in step, and takes a rotation as far as it can go now. */
export class TenantCredentials {
  readonly #deps: CredentialsDependencies;
  readonly #fieldManager: string;
  /**
   * Uids of the Tenants that this process has looked at. The first look believes the registry: an operator that starts over
   * hundreds of Tenants would open as many connections at once. Their logins are tried one after the other within a resync.
   */
  readonly #looked = new Set<string>();

  constructor(deps: CredentialsDependencies, fieldManager: string) {
    this.#deps = deps;
    this.#fieldManager = fieldManager;
  }

  /**
   * `isUnproven`: the registry was believed, and the login is still to be tried.
   * @throws DatabaseError, ForeignObject, ApiError
   */
  async ensure(tenant: Tenant, ensured: EnsuredTenant): Promise<EnsuredCredentials & { isUnproven: boolean }> {
    const { uid } = tenant.metadata;
    const isUnproven = !this.#looked.has(uid) && ensured.record.credentialsRevision !== undefined;
    let live = await found(
      this.#deps.client.get<KubernetesObject>(kinds.SECRET, DATABASE_SECRET, tenantNamespace(tenant)),
    );
    let published = readCredentials(live);
    let { record } = ensured;
    let result: EnsuredCredentials;
    for (let round = 1; ; round++) {
      result = await this.#ensureInDatabase(tenant, record, published, isUnproven);
      for (const repair of result.repairs) await this.#drift(tenant, repair);
      await tellOfRotation(this.#deps.events, tenant, record, result);
      record = result.tenant;
      const { credentials } = result;
      if (credentials) {
        const where = {
          ...this.#deps.databases.of(tenant).agentTarget(),
          database: result.database,
          schema: ensured.names.schema,
        };
        const secret = credentialsSecret(tenant, { ...where, ...credentials });
        const isRead = live !== undefined; // by pods that may be running
        const written = await publishSecret(this.#deps.client, secret, live, this.#fieldManager);
        published = credentials;
        if (isRead && written.live !== live)
          await nudgePods(this.#deps.client, tenantNamespace(tenant), credentials.revision);
        live = written.live;
        if (written.drifted) await this.#drift(tenant, `Secret ${DATABASE_SECRET} had been changed and was set right`);
      }
      if (!result.again || round === MOST_ROUNDS) break;
    }
    this.#looked.add(uid);
    return { ...result, isUnproven };
  }

  /** The Tenant is no more. */
  forget({ metadata }: Tenant): void {
    this.#looked.delete(metadata.uid);
  }

  #ensureInDatabase(
    tenant: Tenant,
    record: TenantRecord,
    published: CredentialsRequest["published"],
    believesRegistry: boolean,
  ): Promise<EnsuredCredentials> {
    const home = this.#deps.databases.of(tenant);
    const { host, port } = home.agentTarget();
    const isSamePath = host === home.config.host && port === home.config.port;
    const request: CredentialsRequest = {
      tenant: record,
      published,
      wish: rotationWish(tenant),
      limits: home.config.rotation,
      runningPods: () => this.#runningPods(tenantNamespace(tenant)),
      agentPath: isSamePath ? undefined : { host, port },
      believesRegistry,
    };
    return home.use((it, epoch) => it.ensureCredentials(request, epoch));
  }

  /** Pods that the kubelet has taken on: they may have the Secret as it was then. */
  async #runningPods(namespace: string): Promise<string[]> {
    const pods = await this.#deps.client.list<KubernetesObject & { status?: { startTime?: string; phase?: string } }>(
      kinds.POD,
      namespace,
      { labelSelector: "app.kubernetes.io/name=agentpg-agent" },
    );
    const runs = (it: (typeof pods)[number]) =>
      !it.metadata.deletionTimestamp && it.status?.startTime && /^(Pending|Running)$/.test(it.status.phase ?? "");
    return pods.filter(runs).map((it) => it.metadata.name);
  }

  #drift(tenant: Tenant, message: string): Promise<void> {
    return this.#deps.events.record(tenant, "Warning", "DriftRepaired", message);
  }
}

const rotationWish = ({ metadata, spec }: Tenant): CredentialsRequest["wish"] => ({
  requested: metadata.annotations[ROTATE_ANNOTATION]?.slice(0, LONGEST_REQUEST),
  maxAgeDays: spec.database.passwordRotationDays,
});
