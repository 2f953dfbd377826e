import { keyOf, type KubernetesObject } from "../kubernetes/object.ts";
import type { ResourceKind } from "../kubernetes/resource-kind.ts";
import { MANAGED_BY, TENANT_LABEL } from "./labels.ts";

/** An object under a name of ours that is not ours: it is never overwritten. */
export class ForeignObject extends Error {
  override readonly name = "ForeignObject";

  constructor(kind: ResourceKind, object: KubernetesObject, options?: ErrorOptions) {
    super(
      `${kind.kind} ${keyOf(object)} exists and is not the operator's: delete or rename it, or label it app.kubernetes.io/managed-by=${MANAGED_BY} to hand it over`,
      options,
    );
  }
}

/**
 * Whether somebody else made the object and did not hand it over. Ours carry our label, or, if somebody took it away, the API
 * server still knows them as applied by us. A namespace is handed over by the label with its Tenant's name.
 */
export function isForeign({ metadata }: KubernetesObject, fieldManager: string): boolean {
  const { labels = {} } = metadata;
  if (labels["app.kubernetes.io/managed-by"] === MANAGED_BY || labels[TENANT_LABEL] !== undefined) return false;
  const managers = (metadata["managedFields"] ?? []) as { manager?: string; operation?: string }[];
  return !managers.some(({ manager, operation }) => manager === fieldManager && operation === "Apply");
}
