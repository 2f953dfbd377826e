import { agent as agentSchema, type Agent } from "../api/agent.ts";
import { API_VERSION } from "../api/resource.ts";
import { tenant as tenantSchema, tenantNamespace, type Tenant } from "../api/tenant.ts";
import type { KubernetesClient } from "../kubernetes/client.ts";
import type { KubernetesObject } from "../kubernetes/object.ts";
import { Reflector } from "../kubernetes/reflector.ts";
import * as kinds from "../kubernetes/resource-kind.ts";
import type { ResourceKind } from "../kubernetes/resource-kind.ts";
import type { Logger } from "../telemetry/log.ts";
import { MANAGED_SELECTOR, TENANT_UID_LABEL } from "./labels.ts";
import { watchProblem } from "./watch-problem.ts";

export const TENANT: ResourceKind = { apiVersion: API_VERSION, kind: "Tenant", plural: "tenants", namespaced: false };
export const AGENT: ResourceKind = { apiVersion: API_VERSION, kind: "Agent", plural: "agents", namespaced: true };

/** Kinds that the operator owns objects of and watches, by label. Secrets are not among them: they are read one by one. */
export const OWNED_KINDS = [
  kinds.NAMESPACE,
  kinds.RESOURCE_QUOTA,
  kinds.LIMIT_RANGE,
  kinds.NETWORK_POLICY,
  kinds.ROLE_BINDING,
  kinds.CONFIG_MAP,
  kinds.SERVICE_ACCOUNT,
  kinds.SERVICE,
  kinds.DEPLOYMENT,
  kinds.POD_DISRUPTION_BUDGET,
];

/** All that the operator holds in memory of the cluster. */
export class Caches {
  readonly tenants: Reflector<Tenant & KubernetesObject>;
  readonly agents: Reflector<Agent & KubernetesObject>;
  readonly #owned = new Map<string, Reflector>();
  /** By the namespace that they want, the names of Tenants. */
  readonly #wanting = new Map<string, Set<string>>();

  constructor(client: KubernetesClient, logger: Logger, stallMs: number, tenantSelector = "") {
    const shared = (kind: ResourceKind) => ({
      client,
      logger,
      stallMs,
      kind,
      explain: (error: unknown) => watchProblem(kind, error),
    });
    this.tenants = new Reflector({
      ...shared(TENANT),
      ...(tenantSelector ? { labelSelector: tenantSelector } : {}),
      parse: (it) => tenantSchema.parse(it) as Tenant & KubernetesObject,
    });
    this.agents = new Reflector({
      ...shared(AGENT),
      parse: (it) => agentSchema.parse(it) as Agent & KubernetesObject,
    });
    this.tenants.onChange((change) => {
      const before = change.previous && tenantNamespace(change.previous);
      const others = before === undefined ? undefined : this.#wanting.get(before);
      if (before !== undefined && others?.delete(change.key) && others.size === 0) this.#wanting.delete(before);
      if (change.type === "deleted") return;
      const now = tenantNamespace(change.object);
      this.#wanting.set(now, (this.#wanting.get(now) ?? new Set()).add(change.key));
    });
    for (const kind of OWNED_KINDS) {
      this.#owned.set(kind.kind, new Reflector({ ...shared(kind), labelSelector: MANAGED_SELECTOR }));
    }
  }

  owned(kind: ResourceKind): Reflector | undefined {
    return this.#owned.get(kind.kind);
  }

  ownedReflectors(): Reflector[] {
    return [...this.#owned.values()];
  }

  all(): Pick<Reflector, "kind" | "fresh" | "run" | "waitForSync" | "silenceSeconds" | "unreadable">[] {
    return [this.tenants, this.agents, ...this.#owned.values()];
  }

  /** The Tenant whose namespace this is: the one that has it, else the one that was first. */
  tenantOfNamespace(namespace: string): Tenant | undefined {
    return this.tenantsOfNamespace(namespace)[0];
  }

  /** All Tenants that want a namespace: the one that has it, then the oldest first. */
  tenantsOfNamespace(namespace: string): Tenant[] {
    const holder = this.owned(kinds.NAMESPACE)?.get(namespace)?.metadata.labels?.[TENANT_UID_LABEL];
    const holds = (it: Tenant) => (it.metadata.uid === holder ? 0 : 1);
    return [...(this.#wanting.get(namespace) ?? [])]
      .flatMap((name) => this.tenants.get(name) ?? [])
      .sort((a, b) => holds(a) - holds(b) || created(a) - created(b) || (a.metadata.uid < b.metadata.uid ? -1 : 1));
  }

  /** The name of the Tenant that has the namespace and whose object cannot be read, as one of another version may not. */
  unreadableTenantOf(namespace: string): string | undefined {
    const holder = this.owned(kinds.NAMESPACE)?.get(namespace)?.metadata.labels?.[TENANT_UID_LABEL];
    return [...this.tenants.unreadable.values()].find(({ object }) => object.metadata.uid === holder)?.object.metadata
      .name;
  }

  agentsOfNamespace(namespace: string): Agent[] {
    return this.agents.inNamespace(namespace);
  }
}

const created = (it: Tenant): number => new Date(it.metadata.creationTimestamp ?? 0).getTime();
