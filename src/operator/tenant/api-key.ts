import { hash } from "node:crypto";
import type { Tenant } from "../../api/tenant.ts";
import { tenantNamespace } from "../../api/tenant.ts";
import { failed, ok, type Outcome } from "./conditions.ts";

/** Whether the Secret with the API key is fit for use. Its value is looked at for emptiness only and goes nowhere. */
export function apiKeyOutcome(tenant: Tenant, secret: { data?: Record<string, string> } | undefined): Outcome {
  const { name, key } = tenant.spec.anthropic.apiKeySecretRef;
  const namespace = tenantNamespace(tenant);
  const create = `kubectl -n ${namespace} create secret generic ${name} --from-file=${key}=<file with the key>`;
  if (!secret)
    return failed(
      "ApiKeySecretMissing",
      `Secret ${namespace}/${name} does not exist (anthropic.apiKeySecretRef): ${create}`,
    );
  const value = secret.data?.[key];
  if (value === undefined)
    return failed(
      "ApiKeyMissing",
      `Secret ${namespace}/${name} has no key ${key} (anthropic.apiKeySecretRef.key): add it, or correct the reference`,
    );
  if (Buffer.from(value, "base64").toString().trim() === "") {
    return failed("ApiKeyEmpty", `Secret ${namespace}/${name}, key ${key}, is empty: put the Anthropic API key in it`);
  }
  return ok("Published", "the API key is there and the database login works");
}

/** What the status says of the key that is in the Secret: since when the operator knows it. Undefined without a key. Pure. */
export function apiKeySeen(
  { spec, status }: Tenant,
  secret: { data?: Record<string, string> } | undefined,
  now: Date,
): Tenant["status"]["apiKey"] {
  const value = Buffer.from(secret?.data?.[spec.anthropic.apiKeySecretRef.key] ?? "", "base64")
    .toString()
    .trim();
  if (value === "") return undefined;
  // As the pods say it: src/runtime/credentials/api-key.ts.
  const fingerprint = hash("sha256", value, "hex").slice(0, 8);
  if (fingerprint === status.apiKey?.fingerprint) return status.apiKey;
  return { fingerprint, since: now.toISOString().replace(/\.\d+Z$/, "Z") };
}
