import type { Agent } from "../../../src/api/agent.ts";
import type { KubernetesClient } from "../../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../../src/kubernetes/object.ts";
import * as kinds from "../../../src/kubernetes/resource-kind.ts";
import type { ResourceKind } from "../../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../../src/operator/caches.ts";
import { found } from "../../../src/operator/found.ts";
import { ADOPT_ANNOTATION, TENANT_LABEL } from "../../../src/operator/labels.ts";
import { anAgent, aTenant } from "../../support/builders.ts";
import { isCurrent } from "../../support/convergence/problems.ts";
import { eventually } from "../../support/eventually.ts";
import type { Conditioned } from "../../support/operator-harness.ts";
import type { Action, OwnedKind } from "./script.ts";

/** How long an action waits for what the operator has to do before it. */
const PATIENCE_SECONDS = 180;
const DELETED_BY_HAND: Record<OwnedKind, ResourceKind> = {
  NetworkPolicy: kinds.NETWORK_POLICY,
  ResourceQuota: kinds.RESOURCE_QUOTA,
  Service: kinds.SERVICE,
  Deployment: kinds.DEPLOYMENT,
};
const BY = { fieldManager: "people" };

/** Does what people do; waits as they would, for a namespace that is still made, or for a Tenant that is still being deleted. */
export class People {
  readonly #client: KubernetesClient;
  readonly #prefix: string;

  /** @param prefix of the tenants' names */
  constructor(client: KubernetesClient, prefix: string) {
    this.#client = client;
    this.#prefix = prefix;
  }

  async perform(action: Action): Promise<void> {
    const tenant = this.#prefix + action.tenant;
    switch (action.do) {
      case "hand over a namespace": {
        const metadata = { name: tenant, labels: { [TENANT_LABEL]: tenant } };
        await this.#apply(kinds.NAMESPACE, { metadata });
        return this.#giveKey(tenant);
      }
      case "give the API key":
        return this.#giveKey(tenant);
      case "apply the tenant": {
        await this.#notBeingDeleted(TENANT, tenant);
        const annotations = action.adopt ? { [ADOPT_ANNOTATION]: "true" } : {};
        return this.#apply(TENANT, aTenant(tenant, action.spec, { annotations }));
      }
      case "apply an agent":
        await this.#namespaceIsThere(tenant);
        return this.#apply(AGENT, anAgent(tenant, action.agent, action.spec));
      case "delete the tenant":
        if (action.keepsData) await this.#allIsMade(tenant);
        return this.#client.delete(TENANT, tenant);
      case "delete an agent":
        return this.#client.delete(AGENT, action.agent, tenant);
      case "delete by hand":
        return this.#client.delete(DELETED_BY_HAND[action.kind], action.name, tenant);
    }
  }

  async #giveKey(namespace: string): Promise<void> {
    await this.#namespaceIsThere(namespace);
    const metadata = { name: "anthropic", namespace };
    await this.#apply(kinds.SECRET, { metadata, stringData: { "api-key": "sk-ant-test-planted" } });
  }

  async #apply(kind: ResourceKind, object: object): Promise<void> {
    await this.#client.apply(kind, object as KubernetesObject, BY);
  }

  async #find(kind: ResourceKind, name: string): Promise<KubernetesObject | undefined> {
    return found(this.#client.get<KubernetesObject>(kind, name));
  }

  async #notBeingDeleted(kind: ResourceKind, name: string): Promise<void> {
    await eventually(
      () => this.#find(kind, name),
      (it) => !it?.metadata.deletionTimestamp,
      PATIENCE_SECONDS,
      50,
    );
  }

  /** What is kept is what was there: a Tenant that was deleted half made keeps half of it. */
  async #allIsMade(tenant: string): Promise<void> {
    const encrypts = ({ spec }: Agent) => spec.dataProtection.encryptTranscripts;
    const look = async () => {
      const [it, agents] = await Promise.all([
        this.#client.get<Conditioned>(TENANT, tenant),
        this.#client.list<Agent>(AGENT, tenant),
      ]);
      const wanted = ["Ready", ...(agents.some(encrypts) ? ["EncryptionReady"] : [])];
      return wanted.filter((type) => !isCurrent(it, type));
    };
    await eventually(look, (left) => left.length === 0, PATIENCE_SECONDS, 100);
  }

  async #namespaceIsThere(name: string): Promise<void> {
    await eventually(
      () => this.#find(kinds.NAMESPACE, name),
      (it) => it !== undefined && !it.metadata.deletionTimestamp,
      PATIENCE_SECONDS,
      50,
    );
  }
}
