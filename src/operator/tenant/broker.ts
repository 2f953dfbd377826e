import { BROKER } from "../../api/broker-config.ts";
import { hasBroker, tenantNamespace, type Tenant } from "../../api/tenant.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import type { Applied, Applier } from "../applier.ts";
import type { Caches } from "../caches.ts";
import type { OperatorConfig } from "../config.ts";
import { configAt } from "../databases/home.ts";
import { found } from "../found.ts";
import { AGENT_PODS } from "../labels.ts";
import { podsWith } from "../labelled-pods.ts";
import { isLiving, usesBroker } from "../model-access.ts";
import { deploymentStatus, isRolledOut } from "../rollout.ts";
import { BROKER_CA_CONFIG_MAP, BROKER_TLS_SECRET } from "../shared-names.ts";
import type { TokenIssuer } from "../token-issuer.ts";
import { isOfBroker, stopBrokerPods } from "./broker-pods.ts";
import { nextState, readState } from "./broker-tls/state.ts";
import { failed, ok, type Outcome, waiting } from "./conditions.ts";
import { brokerConfigMap, brokerConfigOf } from "./objects/broker/config-map.ts";
import { brokerDeployment } from "./objects/broker/deployment.ts";
import { brokerNetworkPolicy } from "./objects/broker/network-policy.ts";
import { brokerDisruptionBudget, brokerService } from "./objects/broker/service.ts";
import { ANNOUNCED_ANNOTATION, brokerCaConfigMap, brokerHost, brokerTlsSecret } from "./objects/broker/tls.ts";
import { publishSecret } from "./publish-secret.ts";

export interface BrokerDependencies {
  client: KubernetesClient;
  caches: Caches;
  config: OperatorConfig;
  /** Of what the operator applies. */
  fieldManager: string;
  tokenIssuer: () => Promise<TokenIssuer>;
}

/** How soon it is looked again whether the last pod has left that has the API key, or needs the broker. */
const LOOK_AGAIN_MS = 3_000;

/** What goes after the broker's pods; while the last is there, something may be left of it. The Service goes with the Deployment. */
const PRUNED = [kinds.POD_DISRUPTION_BUDGET, kinds.CONFIG_MAP, kinds.NETWORK_POLICY];

const pods = (count: number): string => (count === 1 ? "1 pod of an Agent" : `${count} pods of Agents`);

/** What is to be said of a broker. Pure. @param holders pods of Agents that have the API key themselves */
export function brokerOutcome(live: KubernetesObject | undefined, wanted: number, holders: number): Outcome {
  const { readyReplicas = 0, conditions = [] } = deploymentStatus(live);
  if (readyReplicas === 0) {
    const why = conditions.find(
      (it) => (it.type === "ReplicaFailure" && it.status === "True") || it.reason === "ProgressDeadlineExceeded",
    );
    if (!why) return waiting("the key broker starts");
    return failed(
      "BrokerNotReady",
      `the key broker does not start (${why.message ?? why.reason}): look at \`kubectl describe pod\` and \`kubectl logs\` of the pods ${BROKER}`,
    );
  }
  if (holders > 0)
    return {
      ...ok("MovingAgents", `the key broker answers; ${pods(holders)} still have the API key until they are replaced`),
      retryAfterMs: LOOK_AGAIN_MS,
    };
  const rolling = isRolledOut(live, wanted) ? "" : "; it is being replaced";
  return ok("Ready", `the key broker answers, and no pod of an Agent has the API key${rolling}`);
}

/** Keeps a tenant's key broker, or takes it away once nobody needs it any more. */
export class TenantBroker {
  readonly #deps: BrokerDependencies;
  readonly #applier: Applier;

  constructor(deps: BrokerDependencies, applier: Applier) {
    this.#deps = deps;
    this.#applier = applier;
  }

  /**
   * Undefined: the tenant has none, and is to have none.
   * @param onApplied hears of what was written
   * @throws ForeignObject, ApiError, DatabaseError while the tenant is on no database server
   */
  async ensure(tenant: Tenant, onApplied: (applied: Applied[]) => Promise<void>): Promise<Outcome | undefined> {
    if (!hasBroker(tenant)) return this.#takeAway(tenant);
    const { tokenIssuer } = this.#deps;
    const config = configAt(this.#deps.config, tenant);
    const map = brokerConfigMap(tenant, brokerConfigOf(tenant, (await tokenIssuer()).issuer, config));
    const { name } = map.object.metadata;
    const trusted = await this.#certificates(tenant, onApplied);
    // The policy first: no pod starts before it is there.
    const wanted = [brokerNetworkPolicy(tenant, config), map, trusted, brokerDeployment(tenant, config, name)];
    const applied = await this.#applier.apply(wanted);
    const uid = this.#live(tenant)?.metadata.uid;
    const { replicas } = tenant.spec.anthropic.broker;
    const around = [
      ...(uid === undefined ? [] : [brokerService(tenant, uid)]),
      ...(replicas > 1 ? [brokerDisruptionBudget(tenant)] : []),
    ];
    await onApplied([...applied, ...(await this.#applier.apply(around))]);
    await this.#prune(tenant, name);
    const holders = (await this.#agentPods(tenant)).filter((it) => !usesBroker(it)).length;
    return brokerOutcome(this.#live(tenant), replicas, holders);
  }

  /**
   * Keeps the broker's certificate good. Agents are told of it before pods show it: the ConfigMap is written first.
   * @returns the ConfigMap with what agents trust
   */
  async #certificates(tenant: Tenant, onApplied: (applied: Applied[]) => Promise<void>) {
    const { client } = this.#deps;
    const namespace = tenantNamespace(tenant);
    const live = await found(client.get<KubernetesObject>(kinds.SECRET, BROKER_TLS_SECRET, namespace));
    const state = await nextState(readState(live, ANNOUNCED_ANNOTATION), brokerHost(namespace), new Date());
    const trusted = brokerCaConfigMap(tenant, state);
    await onApplied(await this.#applier.apply([trusted]));
    await publishSecret(client, brokerTlsSecret(tenant, state), live, this.#deps.fieldManager);
    return trusted;
  }

  #live(tenant: Tenant): KubernetesObject | undefined {
    return this.#deps.caches.owned(kinds.DEPLOYMENT)?.get(`${tenantNamespace(tenant)}/${BROKER}`);
  }

  /** Old configurations once no pod reads them, and the disruption budget with the second pod. */
  async #prune(tenant: Tenant, currentMap: string): Promise<void> {
    const namespace = tenantNamespace(tenant);
    const { replicas } = tenant.spec.anthropic.broker;
    if (replicas === 1) await this.#applier.prune(kinds.POD_DISRUPTION_BUDGET, namespace, isOfBroker);
    if (!isRolledOut(this.#live(tenant), replicas)) return;
    await this.#applier.prune(
      kinds.CONFIG_MAP,
      namespace,
      (it) => isOfBroker(it) && ![currentMap, BROKER_CA_CONFIG_MAP].includes(it.metadata.name),
    );
  }

  async #takeAway(tenant: Tenant): Promise<Outcome | undefined> {
    const namespace = tenantNamespace(tenant);
    if (!this.#deps.caches.owned(kinds.NETWORK_POLICY)?.get(`${namespace}/${BROKER}`)) return undefined;
    const users = this.#live(tenant) ? (await this.#agentPods(tenant)).filter(usesBroker).length : 0;
    if (users > 0)
      return {
        ...ok("MovingAgents", `the key broker stays until ${pods(users)} that reach the model through it are replaced`),
        retryAfterMs: LOOK_AGAIN_MS,
      };
    if ((await stopBrokerPods(this.#deps.client, this.#applier, namespace)) > 0)
      return {
        ...ok("Stopping", "nobody needs the key broker any more; its last pods end"),
        retryAfterMs: LOOK_AGAIN_MS,
      };
    await this.#deps.client.delete(kinds.SECRET, BROKER_TLS_SECRET, namespace);
    for (const kind of PRUNED) await this.#applier.prune(kind, namespace, isOfBroker);
    return undefined;
  }

  async #agentPods(tenant: Tenant): Promise<KubernetesObject[]> {
    return (await podsWith(this.#deps.client, tenantNamespace(tenant), AGENT_PODS)).filter(isLiving);
  }
}
