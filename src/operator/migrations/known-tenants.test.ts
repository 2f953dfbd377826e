import { expect, test } from "vitest";
import { tenant as tenantSchema } from "../../api/tenant.ts";
import { operatorConfig } from "../config.ts";
import { knownTenants } from "./known-tenants.ts";

const aTenant = (name: string, more: { metadata?: object; spec?: object; status?: object } = {}) =>
  tenantSchema.parse({
    metadata: { name, uid: `uid-${name}`, creationTimestamp: "2026-01-01T00:00:00Z", ...more.metadata },
    spec: { anthropic: { apiKeySecretRef: { name: "anthropic" } }, ...more.spec },
    status: more.status ?? {},
  });
const namespaceReady = (status: string) => ({
  conditions: [
    { type: "NamespaceReady", status, reason: "R", message: "", lastTransitionTime: "2026-01-01T00:00:00Z" },
  ],
});

test("a Tenant that does not get as far as its database holds no rollout up", () => {
  const known = knownTenants([
    aTenant("new"),
    aTenant("settled", { status: namespaceReady("True") }),
    aTenant("paused", { spec: { paused: true } }),
    aTenant("going", { metadata: { deletionTimestamp: "2026-01-02T00:00:00Z" } }),
    aTenant("homeless", { status: namespaceReady("False") }),
  ]);
  expect(known.map((it) => it.name)).toEqual(["new", "settled"]);
});

test("a canary is what its label says, and its age is that of the Tenant", () => {
  const canary = aTenant("canary", { metadata: { labels: { "agentpg.dev/canary": "true" } } });
  const other = aTenant("other", { metadata: { labels: { "agentpg.dev/canary": "false" } } });
  expect(knownTenants([canary, other]).map((it) => it.canary)).toEqual([true, false]);
  expect(knownTenants([canary])[0]?.createdAt).toBe(Date.parse("2026-01-01T00:00:00Z"));
});

test("a failure budget is a number of tenants or a percentage, and anything else is refused with what to write", () => {
  const parse = (failureBudget: unknown) =>
    operatorConfig.shape.migrations.safeParse({ failureBudget }).error?.issues.map((it) => it.message);
  for (const good of [0, 7, "1%", "100%"]) expect(parse(good)).toBeUndefined();
  for (const bad of [-1, 0.5, "0%", "101%", "5", "five"])
    expect(parse(bad)).toEqual([expect.stringContaining('"1%" to "100%"')]);
});
