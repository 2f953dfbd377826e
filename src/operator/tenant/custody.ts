import type { Tenant } from "../../api/tenant.ts";
import type { Holder } from "../../database/tenants.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";
import { TENANT } from "../caches.ts";
import type { OperatorConfig } from "../config.ts";
import { DatabaseServerUnknown } from "../databases/errors.ts";
import type { DatabaseAccess } from "../databases/database-access.ts";
import type { TenantPlacement } from "../databases/tenant-placement.ts";
import { TAKE_OVER_ANNOTATION } from "../labels.ts";
import { operatorOf } from "../scope.ts";

interface CustodyDependencies {
  client: KubernetesClient;
  config: OperatorConfig;
  events: EventRecorder;
  placement: Pick<TenantPlacement, "find">;
}

/**
 * Whose a Tenant is, where several operators share a cluster. One that comes into our selector and was another operator's is taken
 * over, in the database first: from then on nothing that the other has under way is committed there. One that the other's selector
 * picks too stays the other's, so that the two do not take it from each other for ever.
 */
export class TenantCustody {
  readonly #deps: CustodyDependencies;

  constructor(deps: CustodyDependencies) {
    this.#deps = deps;
  }

  /** Whether it is ours to write to; a Tenant that was ours before costs no look. @throws DatabaseError, ApiError */
  async isOurs(tenant: Tenant): Promise<boolean> {
    const { config } = this.#deps;
    const { operator, schema } = tenant.status;
    if (operator === operatorOf(config) || (operator === undefined && schema === undefined)) return true;
    const { uid } = tenant.metadata;
    const home = await this.#home(tenant);
    const holder = await home?.use((it) => it.holderOf({ uid }));
    if (!home || !holder) return this.#mayBeginAnew(tenant);
    if (holder.name === (operatorOf(config) ?? "default")) return true;
    if (!(await this.#mayTake(tenant, holder))) return false;
    await home.use((it, epoch) => it.takeOver({ uid }, holder, epoch));
    await this.#deps.events.record(tenant, "Normal", "TakenOver", `this Tenant was the operator ${holder.name}'s`);
    return true;
  }

  /** Undefined: no server of this operator has its data. */
  async #home(tenant: Tenant): Promise<DatabaseAccess | undefined> {
    try {
      return await this.#deps.placement.find(tenant);
    } catch (error) {
      if (error instanceof DatabaseServerUnknown) return undefined;
      throw error;
    }
  }

  async #mayTake(tenant: Tenant, { name, selector }: Holder): Promise<boolean> {
    const { tenantSelector } = this.#deps.config;
    if (!(await this.#isPicked(tenant, tenantSelector))) return false; // it has just left
    if (tenant.metadata.annotations[TAKE_OVER_ANNOTATION] === name) return true;
    if (!(await this.#isPicked(tenant, selector))) return true;
    const theirs = selector ? `tenantSelector "${selector}"` : "no tenantSelector";
    return this.#refuse(
      tenant,
      "HeldByOtherOperator",
      `operator ${name}, with ${theirs}, has this Tenant, and this operator's tenantSelector "${tenantSelector}" picks it too: make the two disjoint; if that operator is gone, annotate the Tenant with ${TAKE_OVER_ANNOTATION}=${name}`,
    );
  }

  /** Its status knows a schema that this database does not. */
  #mayBeginAnew(tenant: Tenant): boolean | Promise<boolean> {
    const { operator = "default", schema } = tenant.status;
    if (schema === undefined || tenant.metadata.annotations[TAKE_OVER_ANNOTATION] === operator) return true;
    return this.#refuse(
      tenant,
      "DataElsewhere",
      `the data of this Tenant (${schema}) is in the database of operator ${operator}, not in this operator's: give both the same database, or the Tenant back; to begin without its data, annotate it with ${TAKE_OVER_ANNOTATION}=${operator}`,
    );
  }

  async #refuse(tenant: Tenant, reason: string, message: string): Promise<false> {
    await this.#deps.events.record(tenant, "Warning", reason, message);
    return false;
  }

  /** Asked of the API server, which knows what a selector means and has the labels as they are now. */
  async #isPicked({ metadata }: Tenant, labelSelector: string): Promise<boolean> {
    if (labelSelector === "") return true;
    const query = { labelSelector, fieldSelector: `metadata.name=${metadata.name}` };
    const found = await this.#deps.client.list<Tenant>(TENANT, undefined, query);
    return found.some((it) => it.metadata.uid === metadata.uid);
  }
}
