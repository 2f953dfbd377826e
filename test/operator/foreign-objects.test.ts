// Objects under the operator's names that somebody else made: they are never overwritten, whatever they hold.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import type { ResourceKind } from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { type Conditioned, conditionOf, type OperatorHarness, startHarness } from "../support/operator-harness.ts";

let it: OperatorHarness;
beforeAll(async () => {
  it = await startHarness();
  await it.startOperator();
  await it.prepareTenantNamespace("acme", "acme");
}, 1_800_000);
afterAll(async () => it?.stop());

const get = (kind: ResourceKind, name: string) => it.client.get<KubernetesObject>(kind, name, "acme");

interface Foreign {
  kind: ResourceKind;
  name: string;
  content: object;
}

async function makeByHand({ kind, name, content }: Foreign): Promise<KubernetesObject> {
  await it.apply(kind, { metadata: { name, namespace: "acme" }, ...content });
  return get(kind, name);
}

/** What its maker wrote, and who else wrote; Kubernetes' own controllers write the status. */
function asMade(object: KubernetesObject | undefined) {
  const { status: _status, metadata, ...content } = object ?? { metadata: { name: "" } };
  const managers = (metadata["managedFields"] ?? []) as { manager: string; subresource?: string }[];
  const writers = managers.filter(({ subresource }) => subresource === undefined).map(({ manager }) => manager);
  return { content, writers, uid: metadata.uid, labels: metadata.labels };
}

/** Waits until it is named, sees that it is as its maker left it, and takes it away. */
async function namedUntouchedAndGone(
  of: () => Promise<Conditioned>,
  type: string,
  { kind, name }: Foreign,
  was: KubernetesObject | undefined,
): Promise<void> {
  const object = await eventually(of, (now) => {
    const { status, reason, message = "" } = conditionOf(now, type) ?? {};
    return status === "False" && reason === "ForeignObject" && message.includes(`${kind.kind} acme/${name} exists`);
  });
  expect(conditionOf(object, type)?.message).toContain(
    "delete or rename it, or label it app.kubernetes.io/managed-by=agentpg-operator",
  );
  expect(conditionOf(object, "Ready")).toMatchObject({ status: "False", reason: "ForeignObject" });
  const now = await get(kind, name);
  expect(asMade(now)).toEqual(asMade(was));
  await it.client.delete(kind, name, "acme");
}

const OTHER_PODS = { podSelector: { matchLabels: { mine: "yes" } } };
const OTHER_SERVICE = { spec: { selector: { mine: "yes" }, ports: [{ name: "mine", port: 1234 }] } };

test("a Tenant leaves each as it is, names it with the remedy, and is ready once they are gone", async () => {
  const all: Foreign[] = [
    { kind: kinds.NETWORK_POLICY, name: "agentpg-default-deny", content: { spec: OTHER_PODS } },
    { kind: kinds.RESOURCE_QUOTA, name: "agentpg-tenant", content: { spec: { hard: { services: "9" } } } },
    { kind: kinds.CONFIG_MAP, name: "agentpg-access", content: { data: { mine: "yes" } } },
    { kind: kinds.SECRET, name: "agentpg-database", content: { stringData: { mine: "yes" } } },
  ];
  const made = await Promise.all(all.map(makeByHand));
  await it.apply(TENANT, aTenant("acme"));
  for (const [at, one] of all.entries()) {
    const type = one.kind === kinds.SECRET ? "CredentialsReady" : "NetworkReady";
    await namedUntouchedAndGone(() => it.tenant("acme"), type, one, made[at]);
  }
  await it.condition("Tenant", "acme", "Ready", "True");
}, 60_000);

test("an Agent leaves each as it is, names it with the remedy, and starts once they are gone", async () => {
  const all: Foreign[] = [
    { kind: kinds.NETWORK_POLICY, name: "agent-support", content: { spec: OTHER_PODS } },
    { kind: kinds.SERVICE_ACCOUNT, name: "agent-support", content: {} },
    { kind: kinds.SERVICE, name: "agent-support", content: OTHER_SERVICE },
  ];
  const made = await Promise.all(all.map(makeByHand));
  await it.apply(AGENT, anAgent("acme", "support"));
  for (const [at, one] of all.entries())
    await namedUntouchedAndGone(() => it.agent("support", "acme"), "ConfigurationValid", one, made[at]);
  await eventually(
    () => get(kinds.DEPLOYMENT, "agent-support"),
    () => true,
  );
  await it.condition("Agent", "acme/support", "ConfigurationValid", "True");
}, 60_000);

test("one that takes the place of ours is left alone too, and one that is handed over by its label is made ours", async () => {
  await it.client.delete(kinds.SERVICE, "agent-support", "acme");
  // The operator may have been first: then it is somebody's delete again.
  const made = await eventually(
    async () => {
      await it.client.delete(kinds.SERVICE, "agent-support", "acme");
      return it.client.create<KubernetesObject>(
        kinds.SERVICE,
        { metadata: { name: "agent-support" }, ...OTHER_SERVICE },
        "acme",
      );
    },
    () => true,
  );
  await it.condition("Agent", "acme/support", "ConfigurationValid", "False", "ForeignObject");
  expect((await get(kinds.SERVICE, "agent-support")).metadata.resourceVersion).toBe(made.metadata.resourceVersion);
  const labels = { "app.kubernetes.io/managed-by": "agentpg-operator" };
  await it.client.mergePatch(kinds.SERVICE, "agent-support", "acme", { metadata: { labels } });
  await it.condition("Agent", "acme/support", "ConfigurationValid", "True");
  const { spec } = await get(kinds.SERVICE, "agent-support");
  expect(spec).toMatchObject({ selector: { "agentpg.dev/agent": "support" }, ports: [{ name: "api" }] }); // no port more
}, 60_000);

test("one of ours that lost its label is still ours: it gets the label back", async () => {
  const labels = { "app.kubernetes.io/managed-by": null };
  await it.client.mergePatch(kinds.CONFIG_MAP, "agentpg-access", "acme", { metadata: { labels } });
  await eventually(
    () => get(kinds.CONFIG_MAP, "agentpg-access"),
    ({ metadata }) => metadata.labels?.["app.kubernetes.io/managed-by"] === "agentpg-operator",
  );
  await it.condition("Tenant", "acme", "Ready", "True");
}, 60_000);
