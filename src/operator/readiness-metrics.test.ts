import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { agent } from "../api/agent.ts";
import { tenant } from "../api/tenant.ts";
import { observeReadiness } from "./readiness-metrics.ts";

const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const condition = (type: string, status: string, reason: string, minutes = 1) => ({
  type,
  status,
  reason,
  message: "",
  lastTransitionTime: minutesAgo(minutes),
});
const aTenant = (name: string, conditions: object[], more: object = {}) =>
  tenant.parse({
    metadata: { name, uid: name, ...more },
    spec: { namespace: `ns-${name}`, anthropic: { apiKeySecretRef: { name: "a", key: "k" } } },
    status: { conditions },
  });
const anAgent = (namespace: string, name: string, conditions: object[]) =>
  agent.parse({ metadata: { name, namespace, uid: name }, spec: { model: "m" }, status: { conditions } });

async function scraped(tenants: ReturnType<typeof aTenant>[], agents: ReturnType<typeof anAgent>[] = []) {
  const registry = new Registry();
  observeReadiness(registry, { tenants: () => tenants, agents: () => agents });
  return registry.metrics();
}

test("what is ready is counted only; what is not says which it is, why, and for how long", async () => {
  const text = await scraped(
    [
      aTenant("acme", [condition("Ready", "True", "Ready")]),
      aTenant("globex", [condition("Ready", "False", "DatabaseUnreachable", 10)]),
    ],
    [
      anAgent("ns-acme", "support", [condition("Ready", "True", "Ready")]),
      anAgent("ns-globex", "sales", [condition("Ready", "False", "Unavailable", 5)]),
    ],
  );
  expect(text).toContain('agentpg_tenants{state="ready"} 1');
  expect(text).toContain('agentpg_tenants{state="not_ready"} 1');
  expect(text).toMatch(/agentpg_tenant_not_ready_seconds\{tenant="globex",reason="DatabaseUnreachable"\} 60\d/);
  expect(text).toMatch(/agentpg_agent_not_ready_seconds\{tenant="globex",agent="sales",reason="Unavailable"\} 30\d/);
  expect(text).not.toContain('"acme"');
  expect(text).not.toContain('"support"');
});

test("a paused Tenant is not called unready", async () => {
  const text = await scraped([
    aTenant("acme", [condition("Ready", "False", "Paused"), condition("Paused", "True", "Paused")]),
  ]);
  expect(text).toContain('agentpg_tenants{state="paused"} 1');
  expect(text).not.toContain("agentpg_tenant_not_ready_seconds{");
});

test("a Tenant that is being deleted says for how long, and what blocks it", async () => {
  const text = await scraped([
    aTenant("acme", [condition("DeletionBlocked", "True", "DatabaseUnreachable")], {
      deletionTimestamp: minutesAgo(20),
    }),
    aTenant("globex", [], { deletionTimestamp: minutesAgo(1) }),
  ]);
  expect(text).toContain('agentpg_tenants{state="deleting"} 2');
  expect(text).toMatch(/agentpg_tenant_deletion_seconds\{tenant="acme",reason="DatabaseUnreachable"\} 120\d/);
  expect(text).toMatch(/agentpg_tenant_deletion_seconds\{tenant="globex",reason=""\} 6\d/);
});
