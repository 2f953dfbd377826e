import { tenantNamespace, type Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { isNotFound } from "../../kubernetes/errors.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import type { Applier } from "../applier.ts";
import type { Caches } from "../caches.ts";
import type { DatabaseAccess } from "../database-access.ts";
import { TENANT_UID_LABEL } from "../labels.ts";
import { DATABASE_SECRET } from "../shared-names.ts";
import { failed, ok, type Outcome } from "./conditions.ts";

interface DeletionDependencies {
  client: KubernetesClient;
  caches: Caches;
  database: DatabaseAccess;
}

/** `done`, or why it is not: a `True` outcome means blocked, a `False` one under way. */
export type DeletionResult = "done" | Outcome;

const underWay = (message: string): Outcome => failed("InProgress", message);

/** A database that cannot be reached holds the finalizer: the tenant is not released half deleted. */
export function deletionOutcome(error: unknown): DeletionResult {
  if (!(error instanceof DatabaseError) || error.reason === "StaleEpoch") throw error;
  return ok(error.reason, `deletion waits: ${error.message}`);
}

/** Takes a Tenant down: pods first, then what is in the database, then (deletionPolicy Delete) the namespace. */
export class TenantDeletion {
  readonly #deps: DeletionDependencies;
  readonly #applier: Applier;

  constructor(deps: DeletionDependencies, applier: Applier) {
    this.#deps = deps;
    this.#applier = applier;
  }

  async run(tenant: Tenant): Promise<DeletionResult> {
    const namespace = tenantNamespace(tenant);
    const live = await this.#namespace(namespace);
    const ours = live?.metadata.labels?.[TENANT_UID_LABEL] === tenant.metadata.uid;
    if (ours && !live.metadata.deletionTimestamp) {
      const pods = await this.#stopAgents(namespace);
      if (pods > 0) return underWay(`waiting for ${pods} agent pods to finish and stop`);
    }
    const { uid } = tenant.metadata;
    const policy = tenant.spec.deletionPolicy;
    await this.#deps.database.use((database, epoch) => database.deprovision({ uid }, policy, epoch));
    if (!ours) return "done";
    if (policy === "Delete") {
      if (!live.metadata.deletionTimestamp)
        await this.#deps.client.delete(kinds.NAMESPACE, namespace, undefined, live.metadata.uid);
      return underWay(`waiting for namespace ${namespace} to be gone`);
    }
    await this.#deps.client.delete(kinds.SECRET, DATABASE_SECRET, namespace);
    return "done";
  }

  /** Deletes the Agents' Deployments; returns how many of their pods are left. */
  async #stopAgents(namespace: string): Promise<number> {
    await this.#applier.prune(kinds.DEPLOYMENT, namespace, () => true);
    const pods = await this.#deps.client.list<KubernetesObject>(kinds.POD, namespace, {
      labelSelector: "app.kubernetes.io/name=agentpg-agent",
    });
    return pods.length;
  }

  async #namespace(name: string): Promise<KubernetesObject | undefined> {
    try {
      return await this.#deps.client.get<KubernetesObject>(kinds.NAMESPACE, name);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}
