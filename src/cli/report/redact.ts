import type { KubernetesObject } from "../../kubernetes/object.ts";
import { scrub } from "../../telemetry/scrub.ts";

/** Deeper than any Kubernetes object. */
const LEVELS = 32;

/** What tenants wrote for the model: theirs to show. */
const WORDS = new Set(["systemPrompt", "statement", "description"]);

const left = (text: string): string => `[${text.length} characters left out]`;

function withoutWords(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutWords);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, it]) => [
      name,
      WORDS.has(name) && typeof it === "string" ? left(it) : withoutWords(it),
    ]),
  );
}

/**
 * An object as it may leave the cluster: without what looks like a secret, without who wrote which field, and, unless they are asked
 * for, without prompts, statements and descriptions of tools.
 */
export function redacted(object: KubernetesObject, words: boolean): unknown {
  const { managedFields: _fields, annotations, ...metadata } = object.metadata;
  // A copy of the object, as kubectl apply leaves it, holds all of it again.
  const { "kubectl.kubernetes.io/last-applied-configuration": _copy, ...others } = annotations ?? {};
  const { spec, ...rest } = object;
  const whole = {
    ...rest,
    metadata: { ...metadata, ...(Object.keys(others).length > 0 ? { annotations: others } : {}) },
    ...(spec === undefined ? {} : { spec: words ? spec : withoutWords(spec) }),
  };
  return scrub(whole, "", LEVELS);
}
