import { hash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";
import type { KubernetesObject } from "./object.ts";

/** Annotation with the hash of what was last applied: tells a changed wish from drift. */
export const APPLIED_ANNOTATION = "agentpg.dev/applied";

const UNITS: Record<string, number> = {
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

function quantityValue(value: unknown): number | undefined {
  const parts = /^([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)$/.exec(String(value));
  if (!parts) return undefined;
  const unit = parts[2] ? UNITS[parts[2]] : 1;
  return unit === undefined ? undefined : Number(parts[1]) * unit;
}

/** Whether two values are one quantity: the API server rewrites `1000m` as `1`. */
const sameQuantity = (a: unknown, b: unknown): boolean => {
  const left = quantityValue(a);
  return left !== undefined && Math.abs(left - (quantityValue(b) ?? Number.NaN)) < 1e-9 * Math.max(1, left);
};

const QUANTITY_MAPS = new Set(["requests", "limits", "hard", "default", "defaultRequest", "max", "min"]);

/** Whether `live` has all that `wanted` says. Fields that the server or others added are ignored; lists must be as long. */
export function covers(wanted: unknown, live: unknown, inQuantities = false): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted)) {
    if (wanted.length === 0 && live === undefined) return true;
    return Array.isArray(live) && live.length === wanted.length && wanted.every((item, i) => covers(item, live[i]));
  }
  if (typeof wanted === "object" && wanted !== null) {
    if (live === undefined && Object.keys(wanted).length === 0) return true;
    if (typeof live !== "object" || live === null) return false;
    return Object.entries(wanted).every(([key, value]) =>
      covers(value, (live as Record<string, unknown>)[key], inQuantities || QUANTITY_MAPS.has(key)),
    );
  }
  return wanted === live || (inQuantities && sameQuantity(wanted, live));
}

/** A short stable hash of data: the same whatever the order of keys. 16 hex digits. */
export const contentHash = (value: unknown): string => hash("sha256", canonicalJson(value)).slice(0, 16);

/** The object with the hash of itself as an annotation: what {@link applyNeeded} compares with. */
export function withAppliedHash<T extends KubernetesObject>(wanted: T): T {
  const { annotations } = wanted.metadata;
  return {
    ...wanted,
    metadata: { ...wanted.metadata, annotations: { ...annotations, [APPLIED_ANNOTATION]: contentHash(wanted) } },
  };
}

/** Marks what is left of an object by {@link settled}. */
const SETTLED = Symbol("settled");

/**
 * What has to be kept of a live object that {@link applyNeeded} found as it is wanted: whose it is, and its status. As long as it
 * is of the same version and the same is wanted (the hash tells), the rest need not be compared again, nor be in memory.
 */
export function settled({ apiVersion, kind, metadata, status }: KubernetesObject): KubernetesObject {
  return Object.assign({ apiVersion, kind, metadata, status }, { [SETTLED]: true });
}

export type ApplyReason = "missing" | "changed" | "drifted";

/** Why an object has to be written, or undefined when nothing differs. `wanted` comes from {@link withAppliedHash}. */
export function applyNeeded(wanted: KubernetesObject, live: KubernetesObject | undefined): ApplyReason | undefined {
  if (!live) return "missing";
  const applied = (object: KubernetesObject) => object.metadata.annotations?.[APPLIED_ANNOTATION];
  if (applied(wanted) !== applied(live)) return "changed";
  if (SETTLED in live) return undefined;
  return covers(wanted, live) ? undefined : "drifted";
}
