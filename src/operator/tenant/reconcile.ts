import { createHash } from "node:crypto";
import { tenantNamespace, type Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { EnsuredTenant } from "../../database/tenants.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { ReconcileResult } from "../../kubernetes/controller.ts";
import { isInvalid, isNotFound } from "../../kubernetes/errors.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import { Applier, ForeignObject } from "../applier.ts";
import { TENANT, type Caches } from "../caches.ts";
import type { OperatorConfig } from "../config.ts";
import type { DatabaseAccess } from "../database-access.ts";
import { ADOPT_ANNOTATION, CREATED_ANNOTATION, FINALIZER } from "../labels.ts";
import type { OwnedObject } from "../owned-object.ts";
import { DATABASE_SECRET } from "../shared-names.ts";
import { writeStatus } from "../status-writer.ts";
import type { TokenIssuer } from "../token-issuer.ts";
import { apiKeyOutcome } from "./api-key.ts";
import { failed, ok, tenantConditions, type Outcome, type Stage } from "./conditions.ts";
import { deletionOutcome, TenantDeletion } from "./deletion.ts";
import { claimNamespace } from "./namespace-claim.ts";
import { accessKeys } from "./objects/access-keys.ts";
import { credentialsSecret, readCredentials } from "./objects/credentials-secret.ts";
import { namespace } from "./objects/namespace.ts";
import { allowAgents, allowDns, defaultDeny } from "./objects/network-policies.ts";
import { limitRange, resourceQuota } from "./objects/quota.ts";
import { operatorRoleBinding } from "./objects/role-binding.ts";

const FIELD_MANAGER = "agentpg-tenant-controller";
/** How soon a Tenant that is not ready is looked at again: mended things are noticed within this time. */
const NOT_READY_MS = 5_000;

export interface TenantDependencies {
  client: KubernetesClient;
  caches: Caches;
  config: OperatorConfig;
  events: EventRecorder;
  database: DatabaseAccess;
  tokenIssuer: () => Promise<TokenIssuer>;
}

type Stages = Partial<Record<Stage, Outcome>>;
type Fields = Record<string, unknown>;

/** Brings the world to what one Tenant says. */
export class TenantReconciler {
  readonly #deps: TenantDependencies;
  readonly #applier: Applier;
  readonly #deletion: TenantDeletion;

  constructor(deps: TenantDependencies) {
    this.#deps = deps;
    this.#applier = new Applier(deps.client, deps.caches, FIELD_MANAGER);
    this.#deletion = new TenantDeletion(deps, this.#applier);
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const tenant = this.#deps.caches.tenants.get(key);
    if (!tenant) return {};
    if (tenant.metadata.deletionTimestamp) return this.#delete(tenant);
    if (tenant.spec.paused) return this.#paused(tenant);
    if (!tenant.metadata.finalizers.includes(FINALIZER)) await this.#addFinalizer(tenant); // before any side effect
    const stages: Stages = {};
    const fields: Fields = { namespace: tenantNamespace(tenant) };
    await this.#stages(tenant, stages, fields);
    await this.#status(tenant, stages, fields);
    const ready = Object.values(stages).every(({ status }) => status === "True");
    return { requeueAfterMs: ready ? this.#deps.config.resyncSeconds * 1000 : NOT_READY_MS };
  }

  /** The stages in order; each leaves its outcome, and what cannot go on without it is not tried. */
  async #stages(tenant: Tenant, stages: Stages, fields: Fields): Promise<void> {
    stages.NamespaceReady = await this.#namespace(tenant);
    if (stages.NamespaceReady.status !== "True") return;
    stages.NetworkReady = await this.#surroundings(tenant);
    const ensured = await this.#database(tenant, stages, fields);
    stages.CredentialsReady = ensured
      ? await this.#credentials(tenant, ensured, fields)
      : failed("DatabaseNotReady", "the database login waits for the database: see DatabaseReady");
  }

  async #addFinalizer(tenant: Tenant): Promise<void> {
    const { name, resourceVersion, finalizers } = tenant.metadata;
    await this.#deps.client.mergePatch(TENANT, name, undefined, {
      metadata: { resourceVersion, finalizers: [...finalizers, FINALIZER] },
    });
  }

  async #paused(tenant: Tenant): Promise<ReconcileResult> {
    const kept = (tenant.status.conditions ?? []).filter((it) => it.type !== "Paused");
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
    return this.#applied(
      tenant,
      [wanted, operatorRoleBinding(tenant, config)],
      ok("Ready", `namespace ${name} admits only restricted pods`),
    );
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
    const done = ok(
      "PoliciesInPlace",
      "default-deny and allow policies are in place; whether this cluster's network plugin enforces them is not probed here",
    );
    return this.#applied(tenant, wanted, done);
  }

  /** Applies, and turns what cannot be helped by trying again at once into an outcome. */
  async #applied(tenant: Tenant, wanted: OwnedObject[], done: Outcome): Promise<Outcome> {
    try {
      for (const it of await this.#applier.apply(wanted)) {
        if (it.reason !== "drifted") continue;
        await this.#deps.events.record(
          tenant,
          "Warning",
          "DriftRepaired",
          `${it.kind} ${it.name} had been changed and was set right`,
        );
      }
      return done;
    } catch (error) {
      if (error instanceof ForeignObject) return failed("ForeignObject", error.message);
      if (isInvalid(error))
        return failed(
          "ObjectRefused",
          `the API server refuses what this Tenant would become: ${(error as Error).message}`,
        );
      throw error;
    }
  }

  async #database(tenant: Tenant, stages: Stages, fields: Fields): Promise<EnsuredTenant | undefined> {
    if (tenant.spec.database.isolation === "Database") {
      stages.DatabaseReady = failed(
        "FeatureUnavailable",
        "database.isolation: Database is not available in this version: create the Tenant with isolation Schema",
      );
      return undefined;
    }
    try {
      const ensured = await this.#deps.database.use((database, epoch) => database.ensure(request(tenant), epoch));
      for (const repair of ensured.repairs) await this.#deps.events.record(tenant, "Warning", "DriftRepaired", repair);
      stages.DatabaseReady = ok("Ready", `schema ${ensured.names.schema} and its roles are in place`);
      stages.MigrationsCurrent = ok("Current", `the schema is at migration ${ensured.migrations.to}`);
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
    const { client, database } = this.#deps;
    const at = tenantNamespace(tenant);
    const current = readCredentials(
      await found(client.get<{ data?: Record<string, string> }>(kinds.SECRET, DATABASE_SECRET, at)),
    );
    try {
      const { uid } = tenant.metadata;
      const login = await database.use((it, epoch) => it.ensurePassword({ uid }, current?.password, epoch));
      const revision =
        !login.changed && current?.user === login.user ? current.revision : revisionOf(login.login, login.password);
      const target = database.agentTarget();
      const secret = credentialsSecret(tenant, {
        ...target,
        user: login.user,
        password: login.password,
        schema: ensured.names.schema,
        revision,
      });
      const published = await this.#applied(tenant, [secret], ok("Published", "the database login is published"));
      if (published.status !== "True") return published;
      fields["credentialsRevision"] = revision;
      fields["passwordChangedAt"] = login.changed ? now() : (tenant.status.passwordChangedAt ?? now());
    } catch (error) {
      return databaseOutcome(error);
    }
    const { name } = tenant.spec.anthropic.apiKeySecretRef;
    return apiKeyOutcome(tenant, await found(client.get<{ data?: Record<string, string> }>(kinds.SECRET, name, at)));
  }

  async #delete(tenant: Tenant): Promise<ReconcileResult> {
    if (!tenant.metadata.finalizers.includes(FINALIZER)) return {};
    const outcome = await this.#deletion.run(tenant).catch(deletionOutcome);
    if (outcome === "done") {
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
    const { caches, client, events } = this.#deps;
    const agents = caches.agentsOfNamespace(tenantNamespace(tenant)).length;
    const conditions = tenantConditions(stages, more);
    const changed = await writeStatus(
      client,
      TENANT,
      tenant,
      { conditions, fields: { ...keptFields(tenant), ...fields, agents } },
      FIELD_MANAGER,
    );
    for (const it of changed) {
      if (it.type === "DeletionBlocked" && it.status === "True")
        await events.record(tenant, "Warning", it.reason, it.message);
      if (it.type !== "Ready" || it.reason === "Progressing" || it.reason === "Deleting") continue;
      await events.record(tenant, it.status === "True" ? "Normal" : "Warning", it.reason, it.message);
    }
  }
}

/** What was found out earlier and stays true while a stage cannot be looked at. */
const keptFields = ({ status }: Tenant): Fields => ({
  namespace: status.namespace,
  schema: status.schema,
  schemaVersion: status.schemaVersion,
  activeLogin: status.activeLogin,
  credentialsRevision: status.credentialsRevision,
  passwordChangedAt: status.passwordChangedAt,
});

const MIGRATION_REASONS = new Set(["DatabaseNewerThanProgram", "MigrationChanged", "MigrationFailed"]);

function databaseOutcome(error: unknown): Outcome {
  if (!(error instanceof DatabaseError) || error.reason === "StaleEpoch") throw error;
  return failed(error.reason, error.message);
}

const request = (tenant: Tenant) => ({
  uid: tenant.metadata.uid,
  name: tenant.metadata.name,
  namespace: tenantNamespace(tenant),
  connectionLimit: tenant.spec.database.connectionLimit,
  adopt: tenant.metadata.annotations[ADOPT_ANNOTATION] === "true",
});

const now = (): string => new Date().toISOString().replace(/\.\d+Z$/, "Z");

/** Names a login and its password without telling it: a truncated hash of 32 random bytes. */
const revisionOf = (login: string, password: string): string =>
  `${login}-${createHash("sha256").update(password).digest("hex").slice(0, 10)}`;

async function found<T>(get: Promise<T>): Promise<T | undefined> {
  try {
    return await get;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
