// Kubernetes' own HorizontalPodAutoscaler scales an Agent by its queue. The metric comes from a custom resource that has the shape and
// the path of an external metric, so no metrics server is needed.
import { afterAll, beforeAll, expect, test } from "vitest";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { type OperatorHarness, startHarness } from "../support/operator-harness.ts";
import { OtlpReceiver, treeOf } from "../support/otlp-receiver.ts";

const METRIC = {
  apiVersion: "external.metrics.k8s.io/v1beta1",
  kind: "ExternalMetricValue",
  plural: "agentpg-queue-depth",
  namespaced: true,
};
const HPA = {
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  plural: "horizontalpodautoscalers",
  namespaced: true,
};

let it: OperatorHarness;
const collector = new OtlpReceiver();
beforeAll(async () => {
  const endpoint = await collector.listen();
  it = await startHarness();
  await it.startOperator({ tracing: { endpoint, operator: true } });
  await it.prepareTenantNamespace("acme", "acme");
  await it.apply(TENANT, aTenant("acme"));
  await it.apply(AGENT, anAgent("acme", "support"));
  await eventually(deployment, ({ spec }) => spec.replicas === 1);
}, 1_800_000);
afterAll(async () => {
  await it?.stop();
  await collector.close();
});

interface Deployment {
  metadata: { generation: number };
  spec: {
    replicas: number;
    selector: { matchLabels: Record<string, string> };
    template: { metadata: { labels: Record<string, string> } };
  };
}
const deployment = () => it.client.get<Deployment>(kinds.DEPLOYMENT, "agent-support", "acme");
const scale = () =>
  it.client.request<{ spec: { replicas: number }; status: { replicas: number; selector: string } }>(
    "GET",
    `${kinds.resourcePath(AGENT, "acme", "support")}/scale`,
  );

async function installMetric(): Promise<void> {
  const { apiVersion, kind, plural } = METRIC;
  const [group, version] = apiVersion.split("/");
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  await it.apply(kinds.CUSTOM_RESOURCE_DEFINITION, {
    metadata: { name: `${plural}.${group}`, annotations: { "api-approved.kubernetes.io": "unapproved, for a test" } },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, singular: "agentpg-queue", kind, listKind: "ExternalMetricValueList" },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  });
}

const queue = (depth: number) =>
  eventually(
    () =>
      it.apply(METRIC, {
        metadata: { name: "support", namespace: "acme", labels: { agent: "support" } },
        metricName: "agentpg-queue-depth",
        metricLabels: { agent: "support" },
        timestamp: new Date().toISOString(),
        value: String(depth),
      }),
    () => true,
  );

test("what the operator does for a Tenant is one trace of stages, statements and requests, with nothing secret in it", async () => {
  const provisioned = () => {
    const roots = collector.named("reconcile tenant").map((root) => ({
      root,
      spans: collector.spans.filter(({ traceId }) => traceId === root.traceId),
    }));
    return roots.find(({ spans }) => spans.some(({ name }) => name.endsWith("/networkpolicies")));
  };
  const found = await eventually(provisioned, (it) => it !== undefined, 30);
  expect(found?.root).toMatchObject({
    parent: "",
    attributes: { "agentpg.key": "acme" },
    resource: { "service.name": "agentpg-operator" },
  });
  expect(treeOf(found?.spans ?? [])).toEqual([
    [
      "reconcile tenant",
      expect.arrayContaining([
        ["surroundings", expect.arrayContaining(["PATCH networking.k8s.io/v1/networkpolicies"])],
        ["database", expect.arrayContaining(["postgres"])],
        ["credentials", expect.arrayContaining(["postgres"])],
        "PATCH agentpg.dev/v1alpha1/tenants",
      ]),
    ],
  ]);
  expect(collector.raw).not.toContain("sk-ant");
  expect(collector.raw).not.toContain(it.admin.password);
});

test("the scale subresource names the pods that there are, and what is written there is done", async () => {
  const { spec } = await deployment();
  const before = await eventually(scale, ({ status }) => Boolean(status?.selector));
  const selector = Object.fromEntries(before.status.selector.split(",").map((it) => it.split("=") as [string, string]));
  expect(selector).toEqual(spec.selector.matchLabels);
  expect(spec.template.metadata.labels).toMatchObject(selector);
  await it.client.mergePatch(AGENT, "support", "acme", { spec: { replicas: 3 } }, "scale");
  await eventually(deployment, (now) => now.spec.replicas === 3);
  expect((await scale()).spec.replicas).toBe(3);
  await it.client.mergePatch(AGENT, "support", "acme", { spec: { replicas: 0 } }, "scale");
  await it.condition("Agent", "acme/support", "Available", "True", "ScaledToZero");
  await it.client.mergePatch(AGENT, "support", "acme", { spec: { replicas: 1 } }, "scale");
  await eventually(deployment, (now) => now.spec.replicas === 1);
});

test("more or fewer replicas leave the template of the pods as it is: none restarts", async () => {
  const template = async () => JSON.stringify((await deployment()).spec.template);
  const before = await template();
  await it.client.mergePatch(AGENT, "support", "acme", { spec: { replicas: 2 } }, "scale");
  await eventually(deployment, (now) => now.spec.replicas === 2);
  expect(await template()).toBe(before);
});

test("a connection limit that is too small for the pods is said with the one that would do, and the Tenant stays Ready", async () => {
  const limitTo = (connectionLimit: number) =>
    it.client.mergePatch(TENANT, "acme", undefined, { spec: { database: { connectionLimit } } });
  const scaleTo = (replicas: number) => it.client.mergePatch(AGENT, "support", "acme", { spec: { replicas } }, "scale");
  await it.condition("Tenant", "acme", "Ready", "True");
  expect((await it.tenant("acme")).status?.conditions?.map(({ type }) => type)).not.toContain("ConnectionsSufficient");
  await scaleTo(3);
  await limitTo(10);
  await it.condition("Tenant", "acme", "ConnectionsSufficient", "False", "LimitTight");
  await scaleTo(5);
  const { message } = await it.condition("Tenant", "acme", "ConnectionsSufficient", "False", "LimitTooSmall");
  expect(message).toContain("is 10, for 5 pods: they wait for one another");
  await it.condition("Tenant", "acme", "Ready", "True");
  await limitTo(Number(/raise it to (\d+)/.exec(message)?.[1]));
  await it.condition("Tenant", "acme", "ConnectionsSufficient", "True", "Enough");
  await scaleTo(2);
});

test("an autoscaler follows the queue, and the operator does not take its number back", async () => {
  await installMetric();
  await queue(35);
  await it.apply(HPA, {
    metadata: { name: "support", namespace: "acme" },
    spec: {
      scaleTargetRef: { apiVersion: AGENT.apiVersion, kind: "Agent", name: "support" },
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [
        {
          type: "External",
          external: {
            metric: { name: "agentpg-queue-depth", selector: { matchLabels: { agent: "support" } } },
            target: { type: "AverageValue", averageValue: "10" },
          },
        },
      ],
      behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
    },
  });
  await eventually(deployment, ({ spec }) => spec.replicas === 4, 90);
  await it.apply(AGENT, anAgent("acme", "support", { systemPrompt: "You are brief." })); // says no replicas, as an autoscaled one should
  const { metadata } = await deployment();
  await eventually(deployment, (now) => now.metadata.generation > metadata.generation);
  expect((await deployment()).spec.replicas).toBe(4);
}, 150_000);
