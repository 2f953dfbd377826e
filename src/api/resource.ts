import { z } from "zod";

export const GROUP = "agentpg.dev";
export const VERSION = "v1alpha1";
export const API_VERSION = `${GROUP}/${VERSION}`;

/** What the operator reads of an object's metadata (Kubernetes API conventions). */
export const objectMeta = z.looseObject({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string(),
  generation: z.number().default(1),
  resourceVersion: z.string().optional(),
  creationTimestamp: z.union([z.string(), z.date()]).optional(),
  deletionTimestamp: z.union([z.string(), z.date()]).optional(),
  finalizers: z.array(z.string()).default([]),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
});

/** `metav1.Condition`. `message` says what to do. */
export const condition = z.object({
  type: z.string().min(1).max(316),
  status: z.enum(["True", "False", "Unknown"]),
  observedGeneration: z.int().min(0).optional(),
  lastTransitionTime: z.string().meta({ format: "date-time" }),
  reason: z.string().min(1).max(1024),
  message: z.string().max(32768),
});
export type Condition = z.infer<typeof condition>;

export const conditions = z
  .array(condition)
  .max(32)
  .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] });

/** A rule of the Common Expression Language that the API server checks. */
export interface CelRule {
  rule: string;
  message: string;
  fieldPath?: string;
  reason?: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired" | "FieldValueDuplicate";
  optionalOldSelf?: boolean;
}

/** Metadata that carries CEL rules into the CRD. */
export const rules = (...list: CelRule[]) => ({ "x-kubernetes-validations": list });

/** A rule that holds an optional field of `self` as it was first set, including set → unset and unset → set. */
export const immutableField = (field: string, why: string): CelRule => {
  const name = field === "namespace" ? "__namespace__" : field; // a reserved word of CEL
  return {
    rule: `has(self.${name}) == has(oldSelf.${name}) && (!has(self.${name}) || self.${name} == oldSelf.${name})`,
    message: `${field} is immutable: ${why}`,
    fieldPath: `.${field}`,
    reason: "FieldValueForbidden",
  };
};

/** A Kubernetes resource quantity, as `"500m"`, `"16Gi"` or a number. */
export const quantity = z
  .union([z.int(), z.string().regex(/^([0-9]+(\.[0-9]+)?)([KMGTPE]i?|m|k)?$/)])
  .meta({ "x-kubernetes-int-or-string": true, pattern: "^([0-9]+(\\.[0-9]+)?)([KMGTPE]i?|m|k)?$" });

/** The name of a Kubernetes object (RFC 1123 subdomain). */
export const objectName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);

/** A key of a Secret or ConfigMap. */
export const dataKey = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[-._a-zA-Z0-9]+$/);
