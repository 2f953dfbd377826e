import type { AgentConfig } from "../../api/agent-config.ts";
import type { Agent } from "../../api/agent.ts";
import { BROKER } from "../../api/broker-config.ts";
import { hasBroker, tenantNamespace, type Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { ReconcileResult } from "../../kubernetes/controller.ts";
import { isInvalid } from "../../kubernetes/errors.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";
import { keyOf, type KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import { Applier } from "../applier.ts";
import { AGENT, type Caches } from "../caches.ts";
import type { OperatorConfig } from "../config.ts";
import { configAt } from "../databases/home.ts";
import { ForeignObject } from "../foreign-object.ts";
import { found } from "../found.ts";
import { AGENT_LABEL, agentSelector } from "../labels.ts";
import { podsWith, selectorOf } from "../labelled-pods.ts";
import { isLiving, usesBroker } from "../model-access.ts";
import type { OwnedObject } from "../owned-object.ts";
import { deploymentStatus, isRolledOut } from "../rollout.ts";
import { operatorOf } from "../scope.ts";
import { ACCESS_CONFIG_MAP, DATABASE_SECRET } from "../shared-names.ts";
import { writeStatus } from "../status-writer.ts";
import type { TokenIssuer } from "../token-issuer.ts";
import { reportUnreadable } from "../unreadable.ts";
import { endLeftPolicy } from "./left-policy.ts";
import { mcpTokenProblem, mcpTokensOf } from "./mcp-tokens.ts";
import { readModules } from "./modules.ts";
import { agentConfigOf, configMap, configRevision } from "./objects/config-map.ts";
import { deployment } from "./objects/deployment.ts";
import { type ModelWays, networkPolicy } from "./objects/network-policy.ts";
import { ownedName } from "./objects/owner.ts";
import { endpointOf, podDisruptionBudget, service, serviceAccount } from "./objects/service.ts";
import { startProblem } from "./start-problem.ts";
import { agentConditions, type AgentFacts } from "./status.ts";
import { brokerProblem, credentialsProblem, transcriptKeysProblem } from "./tenant-problem.ts";
import { configurationProblem, type Problem } from "./validate.ts";

const FIELD_MANAGER = "agentpg-agent-controller";
const SOON_MS = 5_000;
/** What a rollout that has only begun says of itself is old before it is written: pods that come up sooner cost one write, not two. */
const JUST_BEGUN_MS = 1_000;
/** Why an Agent is not ready although nothing is wrong. */
const STARTING = new Set(["NoPods", "NoPodReady", "TenantNotReady"]);
/** How often a settled Agent's pods are asked how they are, at the least. */
const HEALTH_MS = 60_000;

export interface AgentDependencies {
  client: KubernetesClient;
  caches: Caches;
  config: OperatorConfig;
  events: EventRecorder;
  tokenIssuer: () => Promise<TokenIssuer>;
  /** What the Agent's pods last said is wrong: an unknown model, a refused key. */
  podProblem: (tenant: Tenant, agent: Agent) => Promise<Problem | undefined>;
  /** Why nothing can be encrypted, when that is so. */
  encryptionProblem: () => Promise<Problem | undefined>;
}

/** Brings the world to what one Agent says. */
export class AgentReconciler {
  readonly #deps: AgentDependencies;
  readonly #applier: Applier;
  /** When a Deployment was last written, by the Agent's key, until it was looked at after that. */
  readonly #begun = new Map<string, number>();

  constructor(deps: AgentDependencies) {
    this.#deps = deps;
    this.#applier = new Applier(deps.client, deps.caches, FIELD_MANAGER);
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const agent = this.#deps.caches.agents.get(key);
    if (!agent) {
      this.#begun.delete(key);
      await reportUnreadable(this.#deps, this.#deps.caches.agents, key, FIELD_MANAGER);
      return endLeftPolicy(this.#deps, key);
    }
    if (agent.metadata.deletionTimestamp) return {}; // what it owns goes with it
    const tenant = this.#deps.caches.tenantOfNamespace(agent.metadata.namespace ?? "");
    if (tenant && !this.#isOurs(tenant)) return {};
    if (!tenant || tenant.metadata.deletionTimestamp) return this.#withoutTenant(agent, tenant);
    if (tenant.spec.paused) return {};
    return this.#inTenant(agent, tenant);
  }

  /** Not before our controller of Tenants has taken it: see `tenant/custody.ts`. */
  #isOurs({ status }: Tenant): boolean {
    return status.operator === operatorOf(this.#deps.config);
  }

  async #withoutTenant(agent: Agent, tenant: Tenant | undefined): Promise<ReconcileResult> {
    const namespace = agent.metadata.namespace;
    if (!tenant && this.#deps.config.tenantSelector !== "") return {}; // another operator may have its Tenant
    if (!tenant && this.#deps.caches.unreadableTenantOf(namespace ?? "") !== undefined) return {}; // its pods go on
    await this.#stop(agent);
    const problem: Problem = tenant
      ? {
          reason: "TenantDeleting",
          message: `Tenant ${tenant.metadata.name} is being deleted: this Agent's pods are stopped`,
        }
      : {
          reason: "NoTenant",
          message: `namespace ${namespace} belongs to no Tenant: create a Tenant with namespace ${namespace}, or the Agent in a tenant's namespace`,
        };
    await this.#status(agent, { problem, credentials: problem, podProblem: undefined, startProblem: undefined }, {});
    return {};
  }

  /** Takes the pods away; data and configuration stay. */
  async #stop(agent: Agent): Promise<void> {
    const live = this.#deployment(agent);
    if (live && !live.metadata.deletionTimestamp)
      await this.#deps.client.delete(kinds.DEPLOYMENT, live.metadata.name, live.metadata.namespace, live.metadata.uid);
  }

  async #inTenant(agent: Agent, tenant: Tenant): Promise<ReconcileResult> {
    const prompt = await this.#systemPrompt(agent);
    const modules = await readModules(this.#deps.client, agent);
    const siblings = this.#deps.caches.agentsOfNamespace(tenantNamespace(tenant));
    const problem = configurationProblem({
      agent,
      tenant,
      siblings,
      promptFound: prompt !== undefined,
      missingModules: modules.missing,
      noMcpToken: await mcpTokenProblem(this.#deps.client, agent, tenant),
      noEncryption: await this.#deps.encryptionProblem(),
    });
    const keys = transcriptKeysProblem(agent, tenant);
    const broker = brokerProblem(tenant);
    const credentials = credentialsProblem(tenant) ?? keys ?? broker;
    const canStart = tenant.status.credentialsRevision !== undefined && !keys && !broker;
    let applyProblem: Problem | undefined;
    let fields: Record<string, unknown> = {};
    if (!problem && canStart) {
      try {
        const applied = await this.#apply(agent, tenant, prompt, modules.found);
        if (!applied) return {}; // its deletion has not been heard of yet
        fields = applied;
      } catch (error) {
        applyProblem = refusal(error);
        if (!applyProblem) throw error;
      }
    }
    const left = problem || applyProblem || credentials ? 0 : this.#hasJustBegunFor(agent);
    if (left > 0) return { requeueAfterMs: left };
    const settled = await this.#statusFromPods(agent, tenant, problem ?? applyProblem, credentials, fields);
    // ConfigMaps and Secrets of users are not watched.
    if (agent.spec.systemPromptFrom || agent.spec.modules.length > 0 || mcpTokensOf(agent).length > 0)
      return { requeueAfterMs: settled ? 30_000 : SOON_MS };
    return { requeueAfterMs: settled ? Math.min(HEALTH_MS, this.#deps.config.resyncSeconds * 1000) : SOON_MS };
  }

  /** @returns what the status says of it; undefined of an Agent that is gone */
  async #apply(
    agent: Agent,
    tenant: Tenant,
    prompt: string | undefined,
    modules: AgentConfig["modules"],
  ): Promise<Record<string, unknown> | undefined> {
    const config = configAt(this.#deps.config, tenant);
    const { issuer } = await this.#deps.tokenIssuer();
    const settings = agentConfigOf(agent, tenant, prompt, modules, issuer, config);
    const revision = configRevision(settings);
    const map = configMap(agent, settings, revision);
    const inputs = {
      agent,
      tenant,
      config,
      configMapName: map.object.metadata.name,
      configRevision: revision,
      credentialsSecret: DATABASE_SECRET,
      accessConfigMap: ACCESS_CONFIG_MAP,
    };
    const wanted: OwnedObject[] = [
      networkPolicy(agent, tenant, config, await this.#modelWays(agent, tenant)), // before any pod can start
      serviceAccount(agent, tenant),
      map,
      service(agent, tenant),
      ...(agent.spec.replicas > 1 ? [podDisruptionBudget(agent, tenant)] : []),
      deployment(inputs, agent.spec.replicas),
    ];
    if (this.#hasLost(agent, wanted) && !(await this.#isStillThere(agent))) return undefined;
    const applied = await this.#applier.apply(wanted);
    for (const it of applied.filter(({ reason }) => reason === "drifted")) {
      await this.#deps.events.record(
        agent,
        "Warning",
        "DriftRepaired",
        `${it.kind} ${it.name} had been changed and was set right`,
      );
    }
    if (applied.length > 0) this.#begun.set(keyOf(agent), Date.now());
    await this.#prune(agent, map.object.metadata.name);
    return { configRevision: revision, endpoint: endpointOf(agent, tenant) };
  }

  /** Something is gone that had been made. A configuration that was never there is only new. */
  #hasLost(agent: Agent, wanted: readonly OwnedObject[]): boolean {
    if (agent.status.configRevision === undefined) return false;
    const made = wanted.filter(({ kind }) => kind !== kinds.CONFIG_MAP);
    return made.some(({ kind, object }) => !this.#deps.caches.owned(kind)?.get(keyOf(object)));
  }

  /** Watches tell of different kinds at different times: objects may be gone because the Agent is, and would be made and collected in turns. */
  async #isStillThere({ metadata }: Agent): Promise<boolean> {
    const live = await found(this.#deps.client.get<KubernetesObject>(AGENT, metadata.name, metadata.namespace));
    return live?.metadata.uid === metadata.uid && !live.metadata.deletionTimestamp;
  }

  /** Pods from before a change of the Tenant's `anthropic.access` still reach the model as they did. */
  async #modelWays(agent: Agent, tenant: Tenant): Promise<ModelWays> {
    const broker = hasBroker(tenant);
    const hadBroker = this.#deps.caches.owned(kinds.DEPLOYMENT)?.get(`${tenantNamespace(tenant)}/${BROKER}`);
    const pods = hadBroker ? (await this.#pods(agent)).filter(isLiving) : [];
    return { direct: !broker || pods.some((it) => !usesBroker(it)), broker: broker || pods.some(usesBroker) };
  }

  /** Milliseconds until the status of a rollout is worth a look, 0 for now. */
  #hasJustBegunFor(agent: Agent): number {
    const left = JUST_BEGUN_MS - (Date.now() - (this.#begun.get(keyOf(agent)) ?? 0));
    if (left > 0 && !isRolledOut(this.#deployment(agent), agent.spec.replicas)) return left;
    this.#begun.delete(keyOf(agent));
    return 0;
  }

  /** Old configurations go once no pod reads them; the disruption budget goes with the second replica. */
  async #prune(agent: Agent, currentMap: string): Promise<void> {
    const namespace = agent.metadata.namespace ?? "";
    const ours = (it: KubernetesObject) =>
      it.metadata.ownerReferences?.some(({ uid }) => uid === agent.metadata.uid) ?? false;
    if (agent.spec.replicas <= 1) await this.#applier.prune(kinds.POD_DISRUPTION_BUDGET, namespace, ours);
    const live = this.#deployment(agent);
    const { updatedReplicas = 0, replicas = 0, observedGeneration = 0 } = deploymentStatus(live);
    const rolledOut =
      live !== undefined && observedGeneration >= (live.metadata.generation ?? 0) && updatedReplicas === replicas;
    if (rolledOut)
      await this.#applier.prune(kinds.CONFIG_MAP, namespace, (it) => ours(it) && it.metadata.name !== currentMap);
  }

  /** Writes the status; tells whether it is final until something changes. */
  async #statusFromPods(
    agent: Agent,
    tenant: Tenant,
    problem: Problem | undefined,
    credentials: Problem | undefined,
    fields: Record<string, unknown>,
  ): Promise<boolean> {
    const live = this.#deployment(agent);
    const { readyReplicas = 0, replicas = 0, updatedReplicas = 0 } = deploymentStatus(live);
    const complete =
      readyReplicas === agent.spec.replicas && replicas === readyReplicas && updatedReplicas === readyReplicas;
    const pods = live && !complete ? await this.#pods(agent) : [];
    const podProblem =
      live && !problem && agent.spec.replicas > 0 ? await this.#deps.podProblem(tenant, agent) : undefined;
    const facts = { problem, credentials, podProblem, startProblem: startProblem(pods) };
    await this.#status(agent, facts, fields);
    return complete && !facts.problem && !credentials && !podProblem;
  }

  async #status(
    agent: Agent,
    facts: Omit<AgentFacts, "agent" | "deployment">,
    fields: Record<string, unknown>,
  ): Promise<void> {
    const live = this.#deployment(agent);
    const conditions = agentConditions({ agent, deployment: live, ...facts });
    const { replicas = 0, readyReplicas = 0 } = deploymentStatus(live);
    const selector = selectorOf(agentSelector(agent.metadata.name));
    const kept = { endpoint: agent.status.endpoint, configRevision: agent.status.configRevision };
    const wanted = { conditions, fields: { ...kept, ...fields, replicas, readyReplicas, selector } };
    const { client, caches } = this.#deps;
    const before = agent.status.conditions?.find(({ type }) => type === "Ready")?.reason;
    const changed = await writeStatus(client, AGENT, agent, wanted, FIELD_MANAGER, (it) => caches.agents.learn(it));
    for (const it of changed.filter(({ type }) => type === "Ready" || type === "ConfigurationValid")) {
      if (it.type === "Ready" && it.status === "True") {
        // A start without trouble is no event: the condition says it.
        if (before && !STARTING.has(before)) await this.#deps.events.record(agent, "Normal", "Ready", it.message);
      } else if (it.status === "False" && it.reason !== "NoPodReady" && it.reason !== "NoPods")
        await this.#deps.events.record(agent, "Warning", it.reason, it.message);
    }
  }

  #deployment(agent: Agent): KubernetesObject | undefined {
    return this.#deps.caches.owned(kinds.DEPLOYMENT)?.get(`${agent.metadata.namespace}/${ownedName(agent)}`);
  }

  #pods(agent: Agent): Promise<KubernetesObject[]> {
    return podsWith(this.#deps.client, agent.metadata.namespace ?? "", { [AGENT_LABEL]: agent.metadata.name });
  }

  async #systemPrompt(agent: Agent): Promise<string | undefined> {
    const { systemPrompt, systemPromptFrom } = agent.spec;
    if (!systemPromptFrom) return systemPrompt;
    const { name, key } = systemPromptFrom.configMapKeyRef;
    const map = await found(
      this.#deps.client.get<{ data?: Record<string, string> }>(kinds.CONFIG_MAP, name, agent.metadata.namespace),
    );
    return map?.data?.[key];
  }
}

function refusal(error: unknown): Problem | undefined {
  if (error instanceof DatabaseError) return { reason: error.reason, message: error.message };
  if (error instanceof ForeignObject) return { reason: "ForeignObject", message: error.message };
  if (isInvalid(error))
    return {
      reason: "ObjectRefused",
      message: `the API server refuses what this Agent would become: ${(error as Error).message}`,
    };
  return undefined;
}
