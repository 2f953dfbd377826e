import type { SecurityCheck } from "../../api/security-checks.ts";
import { tenantNamespace, type Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { EnsuredTenant } from "../../database/tenants.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { ReconcileResult } from "../../kubernetes/controller.ts";
import { isInvalid } from "../../kubernetes/errors.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";
import { keyOf, type KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import { type Applied, Applier } from "../applier.ts";
import { TENANT, type Caches } from "../caches.ts";
import type { OperatorConfig } from "../config.ts";
import { recordedServer } from "../databases/home.ts";
import { DEFAULT_SERVER, serversOf } from "../databases/server-config.ts";
import type { DatabaseServers } from "../databases/servers.ts";
import { TenantPlacement } from "../databases/tenant-placement.ts";
import { ForeignObject } from "../foreign-object.ts";
import { ADOPT_ANNOTATION, CREATED_ANNOTATION, FINALIZER } from "../labels.ts";
import type { MigrationCoordinator } from "../migrations/coordinator.ts";
import type { KeyProvider } from "../encryption/key-provider.ts";
import { TenantDataKeys } from "../encryption/tenant-keys.ts";
import { networkOutcome } from "../network/probe/outcome.ts";
import type { Enforcement } from "../network/probe/verdict.ts";
import type { OwnedObject } from "../owned-object.ts";
import { operatorOf } from "../scope.ts";
import type { RetentionStatus } from "../retention/retention-loop.ts";
import { writeStatus } from "../status-writer.ts";
import type { TokenIssuer } from "../token-issuer.ts";
import type { Spans } from "../tracing/spans.ts";
import { apiKeyOutcome, apiKeySeen } from "./api-key.ts";
import { TenantBroker } from "./broker.ts";
import { connectionsOutcome, podsAskedFor } from "./connections.ts";
import { failed, ok, tenantConditions, type Outcome, type Stage, waiting } from "./conditions.ts";
import { TenantCredentials } from "./credentials.ts";
import { TenantCustody } from "./custody.ts";
import { deletionOutcome, TenantDeletion } from "./deletion.ts";
import { found } from "../found.ts";
import { migrationsOutcome } from "./migrations-current.ts";
import { claimNamespace } from "./namespace-claim.ts";
import { nudgePods } from "./nudge-pods.ts";
import { accessKeys } from "./objects/access-keys.ts";
import { namespace } from "./objects/namespace.ts";
import { allowAgents, allowDns, defaultDeny } from "./objects/network-policies.ts";
import { limitRange, resourceQuota } from "./objects/quota.ts";
import { operatorRoleBinding } from "./objects/role-binding.ts";
import { credentialFields, credentialsOutcome, requeueForCredentials } from "./rotation-status.ts";
import { shareOf } from "../share-of.ts";
import { reportUnreadable, UNREADABLE } from "../unreadable.ts";
import { wentBack } from "./went-back.ts";

const FIELD_MANAGER = "agentpg-tenant-controller";
/** How soon a Tenant that is not ready is looked at again: mended things are noticed within this time. */
const NOT_READY_MS = 5_000;
/** How soon it is looked again whether another operator has let a Tenant go. */
const NOT_OURS_MS = 15_000;

export interface TenantDependencies {
  client: KubernetesClient;
  caches: Caches;
  config: OperatorConfig;
  events: EventRecorder;
  databases: DatabaseServers;
  /** See {@link claimantOf}. */
  claimant: () => Promise<string>;
  /** By the name of the database server. */
  migrations: ReadonlyMap<string, MigrationCoordinator>;
  retention: { status(uid: string): RetentionStatus | undefined };
  networkProbe: { enforcement(): Enforcement | undefined };
  securityChecks: { rows(uid: string): SecurityCheck[] | undefined };
  tokenIssuer: () => Promise<TokenIssuer>;
  keyProvider: KeyProvider | undefined;
  spans: Spans;
}

type Stages = Partial<Record<Stage, Outcome>>;
type Fields = Record<string, unknown>;

/** Brings the world to what one Tenant says. */
export class TenantReconciler {
  readonly #deps: TenantDependencies;
  readonly #applier: Applier;
  readonly #placement: TenantPlacement;
  readonly #custody: TenantCustody;
  readonly #deletion: TenantDeletion;
  readonly #credentialsOf: TenantCredentials;
  readonly #dataKeysOf: TenantDataKeys;
  readonly #brokerOf: TenantBroker;

  constructor(deps: TenantDependencies) {
    this.#deps = deps;
    this.#applier = new Applier(deps.client, deps.caches, FIELD_MANAGER);
    this.#placement = new TenantPlacement(deps);
    this.#custody = new TenantCustody({ ...deps, placement: this.#placement });
    this.#deletion = new TenantDeletion({ ...deps, placement: this.#placement }, this.#applier);
    this.#credentialsOf = new TenantCredentials(deps, FIELD_MANAGER);
    this.#dataKeysOf = new TenantDataKeys(deps, FIELD_MANAGER);
    this.#brokerOf = new TenantBroker({ ...deps, fieldManager: FIELD_MANAGER }, this.#applier);
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const tenant = this.#deps.caches.tenants.get(key);
    if (!tenant) {
      await reportUnreadable(this.#deps, this.#deps.caches.tenants, key, FIELD_MANAGER);
      return {};
    }
    if (!(await this.#custody.isOurs(tenant))) return { requeueAfterMs: NOT_OURS_MS };
    if (tenant.metadata.deletionTimestamp) return this.#delete(tenant);
    if (tenant.spec.paused) return this.#paused(tenant);
    const isNew = !tenant.metadata.finalizers.includes(FINALIZER);
    // Before any side effect: the finalizer, and then where its data goes.
    return this.#provision(await this.#placed(isNew ? await this.#addFinalizer(tenant) : tenant, isNew));
  }

  async #provision({ tenant, stages }: { tenant: Tenant; stages: Stages }): Promise<ReconcileResult> {
    const retention = this.#deps.retention.status(tenant.metadata.uid) ?? tenant.status.retention;
    const securityChecks = this.#deps.securityChecks.rows(tenant.metadata.uid) ?? tenant.status.securityChecks;
    const fields: Fields = { namespace: tenantNamespace(tenant), retention, securityChecks };
    await this.#stages(tenant, stages, fields);
    await this.#status(tenant, stages, fields);
    const ready = Object.values(stages).every(({ status, tolerable }) => status === "True" || tolerable);
    const again = Object.values(stages).map(({ retryAfterMs }) => retryAfterMs ?? Infinity);
    const settledMs = Math.min(this.#deps.config.resyncSeconds * 1000, ...again);
    return { requeueAfterMs: ready ? settledMs : NOT_READY_MS };
  }

  /** The stages in order; each leaves its outcome, and what cannot go on without it is not tried. */
  async #stages(tenant: Tenant, stages: Stages, fields: Fields): Promise<void> {
    const within = <T>(name: string, stage: () => Promise<T>): Promise<T> => this.#deps.spans.part({ name }, stage);
    stages.NamespaceReady = await within("namespace", () => this.#namespace(tenant));
    if (stages.NamespaceReady.status !== "True") return;
    stages.NetworkReady = await within("surroundings", () => this.#surroundings(tenant));
    const ensured = stages.DatabaseReady
      ? undefined
      : await within("database", () => this.#database(tenant, stages, fields));
    stages.CredentialsReady = ensured
      ? await within("credentials", () => this.#credentials(tenant, ensured, fields))
      : failed("DatabaseNotReady", "the database login waits for the database: see DatabaseReady");
    if (ensured) Object.assign(stages, await within("encryption", () => this.#encryption(tenant, ensured)));
    const broker = await within("broker", () => this.#broker(tenant));
    if (broker) stages.BrokerReady = broker;
    const connections = this.#connections(tenant);
    if (connections) stages.ConnectionsSufficient = connections;
  }

  #connections(tenant: Tenant): Outcome | undefined {
    const { caches, config } = this.#deps;
    const server = serversOf(config).get(recordedServer(tenant) ?? DEFAULT_SERVER);
    const need = {
      limit: tenant.spec.database.connectionLimit,
      pods: podsAskedFor(caches.agentsOfNamespace(tenantNamespace(tenant))),
      isPooled: server?.pooler === "Transaction",
    };
    return connectionsOutcome(
      need,
      tenant.status.conditions?.find(({ type }) => type === "ConnectionsSufficient"),
    );
  }

  async #addFinalizer(tenant: Tenant): Promise<Tenant> {
    const { name, resourceVersion, finalizers } = tenant.metadata;
    const held = [...finalizers, FINALIZER];
    const body = { metadata: { resourceVersion, finalizers: held } };
    const written = await this.#deps.client.mergePatch<KubernetesObject>(TENANT, name, undefined, body);
    const metadata = { ...tenant.metadata, finalizers: held, resourceVersion: written.metadata.resourceVersion };
    return { ...tenant, metadata };
  }

  /** On its database server; or as it is, with why it is on none. */
  async #placed(tenant: Tenant, isNew: boolean): Promise<{ tenant: Tenant; stages: Stages }> {
    try {
      return { tenant: await this.#placement.ensure(tenant, isNew), stages: {} };
    } catch (error) {
      return { tenant, stages: { DatabaseReady: databaseOutcome(error) } };
    }
  }

  async #paused(tenant: Tenant): Promise<ReconcileResult> {
    const kept = (tenant.status.conditions ?? []).filter((it) => it.type !== "Paused" && it.reason !== UNREADABLE);
    const paused = {
      type: "Paused",
      ...ok("Paused", "spec.paused is true: the operator changes nothing of this tenant"),
    };
    const { conditions: _conditions, observedGeneration: _generation, ...fields } = tenant.status;
    await writeStatus(this.#deps.client, TENANT, tenant, { conditions: [...kept, paused], fields }, FIELD_MANAGER);
    return {};
  }

  async #namespace(tenant: Tenant): Promise<Outcome> {
    const { caches, client, config } = this.#deps;
    const name = tenantNamespace(tenant);
    const live =
      caches.owned(kinds.NAMESPACE)?.get(name) ?? (await found(client.get<KubernetesObject>(kinds.NAMESPACE, name)));
    const claim = claimNamespace({
      tenant,
      live,
      claimants: caches.tenantsOfNamespace(name),
      operatorNamespace: config.namespace,
    });
    if (!claim.granted) return failed(claim.reason, claim.message);
    const wanted = namespace(tenant);
    if (!claim.exists || live?.metadata.annotations?.[CREATED_ANNOTATION]) {
      wanted.object.metadata.annotations = { ...wanted.object.metadata.annotations, [CREATED_ANNOTATION]: "true" };
    }
    const binding = operatorRoleBinding(tenant, config);
    await this.#makeWayFor(binding);
    return this.#applied(tenant, [wanted, binding], ok("Ready", `namespace ${name} admits only restricted pods`));
  }

  /** To which role a binding binds can never be changed: that of another operator goes, and with it that one's rights here. */
  async #makeWayFor({ kind, object }: OwnedObject): Promise<void> {
    const live = this.#deps.caches.owned(kind)?.get(keyOf(object));
    const roleOf = (it: KubernetesObject) => (it["roleRef"] as { name?: string } | undefined)?.name;
    const role = live && roleOf(live); // undefined of ours, once it was found as wanted
    if (!live || role === undefined || role === roleOf(object)) return;
    const { name, namespace, uid } = live.metadata;
    await this.#deps.client.delete(kind, name, namespace, uid);
  }

  async #surroundings(tenant: Tenant): Promise<Outcome> {
    const { config, tokenIssuer } = this.#deps;
    const wanted: OwnedObject[] = [
      defaultDeny(tenant),
      allowDns(tenant, config),
      allowAgents(tenant),
      resourceQuota(tenant),
      limitRange(tenant),
      accessKeys(tenant, (await tokenIssuer()).jwks),
    ];
    const previous = tenant.status.conditions?.find(({ type }) => type === "NetworkReady");
    return this.#applied(
      tenant,
      wanted,
      networkOutcome(this.#deps.networkProbe.enforcement(), previous, config.networkProbe),
    );
  }

  /** Applies, and turns what cannot be helped by trying again at once into an outcome. */
  async #applied(tenant: Tenant, wanted: OwnedObject[], done: Outcome): Promise<Outcome> {
    try {
      await this.#tellOfDrift(tenant, await this.#applier.apply(wanted));
      return done;
    } catch (error) {
      const outcome = refusal(error);
      if (outcome) return outcome;
      throw error;
    }
  }

  async #tellOfDrift(tenant: Tenant, applied: Applied[]): Promise<void> {
    for (const { kind, name } of applied.filter(({ reason }) => reason === "drifted"))
      await this.#deps.events.record(
        tenant,
        "Warning",
        "DriftRepaired",
        `${kind} ${name} had been changed and was set right`,
      );
  }

  /** Also while the database cannot be reached: agents go on with what they have, and need their broker. */
  async #broker(tenant: Tenant): Promise<Outcome | undefined> {
    try {
      return await this.#brokerOf.ensure(tenant, (applied) => this.#tellOfDrift(tenant, applied));
    } catch (error) {
      const outcome = refusal(error);
      if (outcome) return outcome;
      if (error instanceof DatabaseError && !NOT_OURS.has(error.reason)) return waiting(error.message);
      throw error;
    }
  }

  async #database(tenant: Tenant, stages: Stages, fields: Fields): Promise<EnsuredTenant | undefined> {
    try {
      const home = this.#deps.databases.of(tenant);
      const migrations = this.#deps.migrations.get(home.name) as MigrationCoordinator;
      const { ensured, refusal } = await home.use((database, epoch) =>
        migrations.ensure(database, epoch, request(tenant)),
      );
      this.#placement.settled(tenant);
      for (const repair of ensured.repairs) await this.#deps.events.record(tenant, "Warning", "DriftRepaired", repair);
      const older = wentBack(tenant.status, ensured);
      if (older) await this.#deps.events.record(tenant, "Warning", "DatabaseWentBack", older);
      const where = ensured.database ? `database ${ensured.database}` : `schema ${ensured.names.schema}`;
      stages.DatabaseReady = ok("Ready", `${where} and its roles are in place`);
      stages.MigrationsCurrent = migrationsOutcome(refusal, ensured.migrations);
      Object.assign(fields, {
        schema: ensured.names.schema,
        schemaVersion: ensured.migrations.to,
        activeLogin: ensured.activeLogin,
      });
      return ensured;
    } catch (error) {
      const migrating = error instanceof DatabaseError && MIGRATION_REASONS.has(error.reason);
      stages[migrating ? "MigrationsCurrent" : "DatabaseReady"] = databaseOutcome(error);
      if (migrating) stages.DatabaseReady = ok("Ready", "the schema and its roles are in place");
      return undefined;
    }
  }

  async #credentials(tenant: Tenant, ensured: EnsuredTenant, fields: Fields): Promise<Outcome> {
    try {
      const result = await this.#credentialsOf.ensure(tenant, ensured);
      Object.assign(fields, credentialFields(result));
      const secret = await this.#apiKeySecret(tenant);
      const key = apiKeyOutcome(tenant, secret);
      const apiKey = apiKeySeen(tenant, secret, new Date()) ?? tenant.status.apiKey;
      if (apiKey && isNewToPods(tenant, apiKey))
        await nudgePods(this.#deps.client, tenantNamespace(tenant), apiKey.fingerprint);
      Object.assign(fields, { apiKey });
      const proveAfterMs = result.isUnproven
        ? this.#deps.config.resyncSeconds * 1000 * shareOf(tenant.metadata.uid)
        : Infinity;
      const retryAfterMs = Math.min(requeueForCredentials(tenant, result.tenant, new Date()) ?? Infinity, proveAfterMs);
      return { ...(key.status === "True" ? credentialsOutcome(result) : key), retryAfterMs };
    } catch (error) {
      return refusal(error) ?? databaseOutcome(error);
    }
  }

  /** The data keys of the tenant's transcripts, if an Agent asks for them or there are any. */
  async #encryption(tenant: Tenant, { dataKeys }: EnsuredTenant): Promise<{ EncryptionReady?: Outcome }> {
    const agents = this.#deps.caches.agentsOfNamespace(tenantNamespace(tenant));
    const wanted = agents.some((it) => it.spec.dataProtection.encryptTranscripts);
    try {
      const outcome = await this.#dataKeysOf.ensure(tenant, wanted, dataKeys);
      return outcome ? { EncryptionReady: outcome } : {};
    } catch (error) {
      return { EncryptionReady: { ...(refusal(error) ?? databaseOutcome(error)), tolerable: true } };
    }
  }

  #apiKeySecret(tenant: Tenant): Promise<{ data?: Record<string, string> } | undefined> {
    const { name } = tenant.spec.anthropic.apiKeySecretRef;
    return found(this.#deps.client.get<{ data?: Record<string, string> }>(kinds.SECRET, name, tenantNamespace(tenant)));
  }

  async #delete(tenant: Tenant): Promise<ReconcileResult> {
    if (!tenant.metadata.finalizers.includes(FINALIZER)) return {};
    const outcome = await this.#deletion.run(tenant).catch(deletionOutcome);
    this.#placement.settled(tenant);
    if (outcome === "gone") return {};
    if (outcome === "done") {
      this.#credentialsOf.forget(tenant);
      const { name, resourceVersion, finalizers } = tenant.metadata;
      const left = finalizers.filter((it) => it !== FINALIZER);
      await this.#deps.client.mergePatch(TENANT, name, undefined, { metadata: { resourceVersion, finalizers: left } });
      return {};
    }
    await this.#status(tenant, { NamespaceReady: failed("Deleting", outcome.message) }, keptFields(tenant), {
      DeletionBlocked: outcome,
    });
    return { requeueAfterMs: outcome.status === "True" ? NOT_READY_MS : 1_000 };
  }

  async #status(
    tenant: Tenant,
    stages: Stages,
    fields: Fields,
    more: Parameters<typeof tenantConditions>[1] = {},
  ): Promise<void> {
    const { caches, client, config, events } = this.#deps;
    const agents = caches.agentsOfNamespace(tenantNamespace(tenant)).length;
    const conditions = tenantConditions(stages, more);
    const changed = await writeStatus(
      client,
      TENANT,
      tenant,
      { conditions, fields: { ...keptFields(tenant), ...fields, operator: operatorOf(config), agents } },
      FIELD_MANAGER,
    );
    for (const it of changed) {
      if (it.type === "DeletionBlocked" && it.status === "True")
        await events.record(tenant, "Warning", it.reason, it.message);
      if (it.type === "MigrationsCurrent" && ["MigrationFailed", "MigrationBlocked"].includes(it.reason))
        await events.record(tenant, "Warning", it.reason, it.message);
      if (["EncryptionReady", "ConnectionsSufficient"].includes(it.type) && it.status === "False")
        await events.record(tenant, "Warning", it.reason, it.message);
      if (it.type !== "Ready" || it.reason === "Progressing" || it.reason === "Deleting") continue;
      await events.record(tenant, it.status === "True" ? "Normal" : "Warning", it.reason, it.message);
    }
  }
}

/** Pods may be running that have another key, or none: of a Tenant that is new there are none. */
const isNewToPods = ({ status }: Tenant, { fingerprint }: { fingerprint: string }): boolean =>
  status.observedGeneration !== undefined && status.apiKey?.fingerprint !== fingerprint;

/** What was found out earlier and stays true while a stage cannot be looked at. */
const keptFields = ({ status }: Tenant): Fields => ({
  database: status.database,
  namespace: status.namespace,
  schema: status.schema,
  schemaVersion: status.schemaVersion,
  activeLogin: status.activeLogin,
  credentialsRevision: status.credentialsRevision,
  passwordChangedAt: status.passwordChangedAt,
  rotationRequest: status.rotationRequest,
  rotation: status.rotation,
  retention: status.retention,
  apiKey: status.apiKey,
  securityChecks: status.securityChecks,
});

/** What trying again at once would not help. */
function refusal(error: unknown): Outcome | undefined {
  if (error instanceof ForeignObject) return failed("ForeignObject", error.message);
  if (isInvalid(error))
    return failed("ObjectRefused", `the API server refuses what this Tenant would become: ${(error as Error).message}`);
  return undefined;
}

/** This process, or this operator, has nothing to say of the Tenant. */
const NOT_OURS = new Set(["StaleEpoch", "HeldByOtherOperator"]);

const MIGRATION_REASONS = new Set(["DatabaseNewerThanProgram", "MigrationChanged", "MigrationFailed"]);

function databaseOutcome(error: unknown): Outcome {
  if (!(error instanceof DatabaseError) || NOT_OURS.has(error.reason)) throw error;
  return failed(error.reason, error.message);
}

const request = (tenant: Tenant) => ({
  uid: tenant.metadata.uid,
  name: tenant.metadata.name,
  namespace: tenantNamespace(tenant),
  connectionLimit: tenant.spec.database.connectionLimit,
  isolation: tenant.spec.database.isolation === "Database" ? ("database" as const) : ("schema" as const),
  adopt: tenant.metadata.annotations[ADOPT_ANNOTATION] === "true",
});
