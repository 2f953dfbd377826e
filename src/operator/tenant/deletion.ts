import { tenantNamespace, type Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { keyOf, type KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import type { Applier } from "../applier.ts";
import { type Caches, TENANT } from "../caches.ts";
import type { OperatorConfig } from "../config.ts";
import type { TenantPlacement } from "../databases/tenant-placement.ts";
import {
  AGENT_LABEL,
  AGENT_PODS,
  CREATED_ANNOTATION,
  FINALIZER,
  MANAGED_SELECTOR,
  TENANT_UID_LABEL,
} from "../labels.ts";
import { podsWith } from "../labelled-pods.ts";
import { BROKER_TLS_SECRET, DATABASE_SECRET, TRANSCRIPT_KEYS_SECRET } from "../shared-names.ts";
import { isOfBroker, stopBrokerPods } from "./broker-pods.ts";
import { failed, ok, type Outcome } from "./conditions.ts";
import { found } from "../found.ts";
import { operatorRoleBinding } from "./objects/role-binding.ts";

interface DeletionDependencies {
  client: KubernetesClient;
  caches: Caches;
  config: OperatorConfig;
  placement: Pick<TenantPlacement, "find">;
}

/** What a Tenant owns in a namespace beside its Secret and the operator's rights. */
const LEFT_BEHIND = [kinds.NETWORK_POLICY, kinds.RESOURCE_QUOTA, kinds.LIMIT_RANGE, kinds.CONFIG_MAP];

/** What changes with an Agent's spec. Its Service and ServiceAccount say nothing of it, and the operator has no right to delete any. */
const OF_AGENTS = [kinds.CONFIG_MAP, kinds.POD_DISRUPTION_BUDGET, kinds.NETWORK_POLICY];

/** `done`, or why it is not: a `True` outcome means blocked, a `False` one under way. `gone`: it was let go before. */
export type DeletionResult = "done" | "gone" | Outcome;

const underWay = (message: string): Outcome => failed("InProgress", message);

/** A database that cannot be reached holds the finalizer: the tenant is not released half deleted. */
export function deletionOutcome(error: unknown): DeletionResult {
  if (!(error instanceof DatabaseError) || ["StaleEpoch", "HeldByOtherOperator"].includes(error.reason)) throw error;
  return ok(error.reason, `deletion waits: ${error.message}`);
}

/** Takes a Tenant down: pods first, then what is in the database, then (deletionPolicy Delete) the namespace, if the operator made it. */
export class TenantDeletion {
  readonly #deps: DeletionDependencies;
  readonly #applier: Applier;

  constructor(deps: DeletionDependencies, applier: Applier) {
    this.#deps = deps;
    this.#applier = applier;
  }

  async run(tenant: Tenant): Promise<DeletionResult> {
    const namespace = tenantNamespace(tenant);
    const live = await found(this.#deps.client.get<KubernetesObject>(kinds.NAMESPACE, namespace));
    const ours = live?.metadata.labels?.[TENANT_UID_LABEL] === tenant.metadata.uid;
    if (ours && !live.metadata.deletionTimestamp) {
      if (!(await this.#mayLook(tenant))) return "gone";
      const pods = await this.#stopAgents(namespace);
      if (pods > 0) return underWay(`waiting for ${pods} agent pods to finish and stop`);
      await this.#forgetAgents(namespace);
      const brokers = await this.#stopBroker(namespace);
      if (brokers > 0) return underWay(`waiting for ${brokers} pods of the key broker to stop`);
    }
    const { uid } = tenant.metadata;
    const policy = tenant.spec.deletionPolicy;
    const home = await this.#deps.placement.find(tenant);
    await home?.use((database, epoch) => database.deprovision({ uid }, policy, epoch));
    if (!ours) return "done";
    if (policy === "Delete" && live.metadata.annotations?.[CREATED_ANNOTATION]) {
      if (!live.metadata.deletionTimestamp)
        await this.#deps.client.delete(kinds.NAMESPACE, namespace, undefined, live.metadata.uid);
      return underWay(`waiting for namespace ${namespace} to be gone`);
    }
    if (!live.metadata.deletionTimestamp) await this.#leaveNamespace(tenant, namespace);
    return "done";
  }

  /**
   * Takes the operator's rights again that were given back, by a deletion that came no further, or taken by somebody: whether all is gone
   * can only be seen with them. Not for a Tenant that was let go while the cache is behind: nobody would give them back after that.
   */
  async #mayLook(tenant: Tenant): Promise<boolean> {
    const rights = operatorRoleBinding(tenant, this.#deps.config);
    const given = this.#deps.caches.owned(rights.kind)?.get(keyOf(rights.object));
    if (!given && !(await this.#isHeld(tenant))) return false;
    await this.#applier.apply([rights]);
    return true;
  }

  /** Whether the API server still has the Tenant, with our finalizer. */
  async #isHeld({ metadata: { name, uid } }: Tenant): Promise<boolean> {
    const found = await this.#deps.client.list<KubernetesObject>(TENANT, undefined, {
      fieldSelector: `metadata.name=${name}`,
    });
    return found.some(({ metadata }) => metadata.uid === uid && metadata.finalizers?.includes(FINALIZER));
  }

  /** The namespace stays: with its policies and quota when the data is retained, as it was before the Tenant when not. */
  async #leaveNamespace({ metadata, spec }: Tenant, namespace: string): Promise<void> {
    const ofTenant = (it: KubernetesObject) => it.metadata.labels?.[TENANT_UID_LABEL] === metadata.uid;
    const { client } = this.#deps;
    const binding = await client.list<KubernetesObject>(kinds.ROLE_BINDING, namespace, {
      labelSelector: MANAGED_SELECTOR,
    });
    for (const name of [DATABASE_SECRET, TRANSCRIPT_KEYS_SECRET, BROKER_TLS_SECRET]) {
      const secret = await found(client.get<KubernetesObject>(kinds.SECRET, name, namespace));
      if (secret && ofTenant(secret)) await client.delete(kinds.SECRET, name, namespace, secret.metadata.uid);
    }
    if (spec.deletionPolicy === "Delete")
      for (const kind of LEFT_BEHIND) await this.#applier.prune(kind, namespace, ofTenant);
    for (const it of binding) await client.delete(kinds.ROLE_BINDING, it.metadata.name, namespace, it.metadata.uid);
  }

  /** Deletes the Agents' Deployments; returns how many of their pods are left. */
  async #stopAgents(namespace: string): Promise<number> {
    await this.#applier.prune(kinds.DEPLOYMENT, namespace, (it) => !isOfBroker(it));
    return (await podsWith(this.#deps.client, namespace, AGENT_PODS)).length;
  }

  /** After the Agents' pods: they finish what they are at with it. Returns how many pods of the broker are left. */
  async #stopBroker(namespace: string): Promise<number> {
    const pods = await stopBrokerPods(this.#deps.client, this.#applier, namespace);
    if (pods === 0) for (const kind of OF_AGENTS) await this.#applier.prune(kind, namespace, isOfBroker);
    return pods;
  }

  /** Without pods nothing reads the Agents' configurations any more, and no rollout comes at whose end old ones are pruned. */
  async #forgetAgents(namespace: string): Promise<void> {
    const ofAgent = ({ metadata }: KubernetesObject) => AGENT_LABEL in (metadata.labels ?? {});
    for (const kind of OF_AGENTS) await this.#applier.prune(kind, namespace, ofAgent);
  }
}
