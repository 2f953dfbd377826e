import type { KubernetesObject } from "../kubernetes/object.ts";
import type { ResourceKind } from "../kubernetes/resource-kind.ts";

/** An object that should exist, with its kind: what planners give and the applier takes. */
export interface OwnedObject {
  kind: ResourceKind;
  object: KubernetesObject;
}

export const owned = (kind: ResourceKind, object: Omit<KubernetesObject, "apiVersion" | "kind">): OwnedObject => ({
  kind,
  object: { apiVersion: kind.apiVersion, kind: kind.kind, ...object } as KubernetesObject,
});
