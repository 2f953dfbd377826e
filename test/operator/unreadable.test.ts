// What another version has stored and this one cannot read is left alone, and says so: it is there, and was not deleted.
import { afterAll, beforeAll, expect, test } from "vitest";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { installDefinitions } from "../support/custom-resources.ts";
import { eventually } from "../support/eventually.ts";
import { conditionOf, type OperatorHarness, startHarness } from "../support/operator-harness.ts";

let it: OperatorHarness;
beforeAll(async () => {
  it = await startHarness();
  await it.startOperator();
}, 1_800_000);
afterAll(async () => it?.stop());

interface Definition {
  metadata: { name: string };
  spec: { versions: { schema: object }[] };
}

/** As a version of the definition that takes what ours refuses. */
async function takeAnything(name: string): Promise<void> {
  const { spec } = await it.client.get<Definition>(kinds.CUSTOM_RESOURCE_DEFINITION, name);
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  const versions = spec.versions.map((version) => ({ ...version, schema }));
  await it.client.mergePatch(kinds.CUSTOM_RESOURCE_DEFINITION, name, undefined, { spec: { versions } });
}

const deployment = () => it.client.get(kinds.DEPLOYMENT, "agent-support", "acme");

test("the agents of a Tenant that cannot be read go on, also over a restart, and follow it again once it can", async () => {
  await it.prepareTenantNamespace("acme", "acme");
  await it.apply(TENANT, aTenant("acme"));
  await it.condition("Tenant", "acme", "Ready", "True");
  await it.apply(AGENT, anAgent("acme", "support"));
  const { metadata } = await eventually(deployment, () => true);
  await takeAnything("tenants.agentpg.dev");
  await eventually(
    () => it.client.mergePatch(TENANT, "acme", undefined, { spec: { limits: { runsPerMinute: "many" } } }),
    () => true,
  );
  await eventually(
    () => it.log.join(""),
    (text) => text.includes("cannot read this object"),
  );
  const told = await it.condition("Tenant", "acme", "Ready", "False", "SpecUnreadable");
  expect(told.message).toContain("cannot read spec.limits.runsPerMinute");
  expect(told.message).toContain("kubectl edit tenant acme");
  expect(told.message).not.toContain("many");
  const { status, metadata: seen } = await it.tenant("acme");
  expect(status).toMatchObject({ schema: expect.stringMatching(/^t_/), namespace: "acme" });
  await it.stopOperator();
  await it.startOperator();
  await it.apply(kinds.NAMESPACE, { metadata: { name: "nobody" } });
  await it.apply(AGENT, anAgent("nobody", "lost"));
  await it.apply(AGENT, anAgent("acme", "support", { replicas: 2 }));
  await it.condition("Agent", "nobody/lost", "ConfigurationValid", "False"); // one after the other: the first is through
  expect((await it.tenant("acme")).metadata.resourceVersion).toBe(seen.resourceVersion); // said once
  await it.client.mergePatch(TENANT, "acme", undefined, { spec: { limits: { runsPerMinute: 60 } } });
  await installDefinitions(it.client);
  await eventually(deployment, (found) => (found as unknown as { spec: { replicas: number } }).spec.replicas === 2);
  expect((await deployment()).metadata.uid).toBe(metadata.uid);
  await it.condition("Tenant", "acme", "Ready", "True");
});

test("an Agent that cannot be read goes on as it is and says which field, until it can be read again", async () => {
  const { metadata } = await deployment();
  await takeAnything("agents.agentpg.dev");
  await eventually(
    () => it.client.mergePatch(AGENT, "support", "acme", { spec: { maxOutputTokens: "many" } }),
    () => true,
  );
  const told = await it.condition("Agent", "acme/support", "Ready", "False", "SpecUnreadable");
  expect(told.message).toContain("cannot read spec.maxOutputTokens");
  expect(told.message).toContain("kubectl edit agent support -n acme");
  expect((await deployment()).metadata).toMatchObject({ uid: metadata.uid, generation: metadata.generation });
  await it.client.mergePatch(AGENT, "support", "acme", { spec: { maxOutputTokens: 4096, replicas: 1 } });
  await installDefinitions(it.client);
  await eventually(deployment, (found) => (found as unknown as { spec: { replicas: number } }).spec.replicas === 1);
  await it.condition("Agent", "acme/support", "ConfigurationValid", "True");
  const ready = conditionOf(await it.agent("support", "acme"), "Ready");
  expect(ready?.reason).not.toBe("SpecUnreadable");
});
