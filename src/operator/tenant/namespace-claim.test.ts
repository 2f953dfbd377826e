import { expect, test } from "vitest";
import { tenant as tenantSchema, type Tenant } from "../../api/tenant.ts";
import { claimNamespace } from "./namespace-claim.ts";

const aTenant = (name: string, namespace?: string): Tenant =>
  tenantSchema.parse({
    metadata: { name, uid: `uid-${name}` },
    spec: { anthropic: { apiKeySecretRef: { name: "k" } }, ...(namespace ? { namespace } : {}) },
  });
const acme = aTenant("acme");
const live = (labels: Record<string, string>, more: object = {}) => ({ metadata: { name: "acme", labels, ...more } });
const claim = (namespace: ReturnType<typeof live> | undefined, claimants = [acme], tenant = acme) =>
  claimNamespace({ tenant, live: namespace, claimants, operatorNamespace: "agentpg-system" });

test("a namespace that does not exist is granted", () => {
  expect(claim(undefined)).toEqual({ granted: true, exists: false });
});

test("one's own namespace is granted again", () => {
  expect(claim(live({ "agentpg.dev/tenant-uid": "uid-acme" }))).toEqual({ granted: true, exists: true });
});

test("a namespace is handed over by its label, by nothing less", () => {
  expect(claim(live({ "agentpg.dev/tenant": "acme" }))).toMatchObject({ granted: true });
  expect(claim(live({}))).toMatchObject({ granted: false, reason: "NamespaceNotOurs" });
  expect(claim(live({ "agentpg.dev/tenant": "other" }))).toMatchObject({ granted: false, reason: "NamespaceNotOurs" });
});

test("of two claimants the first in line has it", () => {
  expect(claim(undefined, [aTenant("older", "acme"), acme])).toMatchObject({
    granted: false,
    reason: "NamespaceTaken",
  });
});

test("a namespace that is going away is waited for", () => {
  const going = live({ "agentpg.dev/tenant-uid": "uid-acme" }, { deletionTimestamp: "2026-11-22T00:00:00Z" });
  expect(claim(going)).toMatchObject({ granted: false, reason: "NamespaceTerminating" });
});

test("the operator's own namespace is nobody's", () => {
  const bold = aTenant("bold", "agentpg-system");
  expect(claim(live({ "agentpg.dev/tenant": "bold" }), [bold], bold)).toMatchObject({
    granted: false,
    reason: "NamespaceTaken",
  });
});
