// The objects of a tenant's key broker, on a real API server; what stands for the kubelet says that pods are ready.
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { parseBrokerConfig } from "../../src/broker/config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { newServerCertificate, VALID_DAYS } from "../../src/operator/tenant/broker-tls/certificate.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { startHarness, type OperatorHarness } from "../support/operator-harness.ts";
import { readyPods } from "../support/ready-pods.ts";

type Json = Record<string, unknown>;
type Pod = KubernetesObject & { spec: { volumes: Json[]; automountServiceAccountToken: boolean } };
type Policy = KubernetesObject & { spec: { ingress: unknown[]; egress: unknown[]; podSelector: Json } };

let it: OperatorHarness;
const over = new AbortController();
let ready: Promise<void>;

beforeAll(async () => {
  it = await startHarness();
  ready = readyPods(it.client, over.signal);
  await it.startOperator({
    model: { baseUrl: "https://model.example", peers: [{ ipBlock: { cidr: "203.0.113.7/32" } }] },
  });
  await it.prepareTenantNamespace("acme", "acme");
}, 1_800_000);
afterAll(async () => {
  over.abort();
  await ready;
  await it?.stop();
});

const BROKER = "app.kubernetes.io/name=agentpg-broker";
const setAccess = (access: string, more: object = {}) =>
  it.client.mergePatch(TENANT, "acme", undefined, { spec: { anthropic: { access, ...more } } });
const agentPods = () =>
  it.client.list<Pod>(kinds.POD, "acme", { labelSelector: "app.kubernetes.io/name=agentpg-agent" });
const volumesOf = (pods: Pod[]) => pods.map(({ spec }) => spec.volumes.map((volume) => String(volume["name"])).sort());
const policy = (name: string) => it.client.get<Policy>(kinds.NETWORK_POLICY, name, "acme");
const MODEL = JSON.stringify({ ipBlock: { cidr: "203.0.113.7/32" } });
/** Which ways the agent's policy opens to the model. */
const ways = async () => {
  const text = JSON.stringify((await policy("agent-support")).spec.egress);
  return [...(text.includes(MODEL) ? ["direct"] : []), ...(text.includes("agentpg-broker") ? ["broker"] : [])];
};
const left = async () => {
  const all = [kinds.DEPLOYMENT, kinds.SERVICE, kinds.CONFIG_MAP, kinds.NETWORK_POLICY, kinds.POD_DISRUPTION_BUDGET];
  const found = await Promise.all(all.map((kind) => it.client.list(kind, "acme", { labelSelector: BROKER })));
  return found.flatMap((list, i) => list.map(() => all[i]?.kind));
};
const isAcme = ({ metadata }: KubernetesObject) => metadata.name === "acme";
/** An agent's pod answers all the time; gives what was seen when one did not. */
function watchAvailability() {
  const gaps: string[] = [];
  const seen = new AbortController();
  const watched = (async () => {
    while (!seen.signal.aborted) {
      const pods = (await agentPods()).filter((pod) => (pod["status"] as { phase?: string }).phase === "Running");
      if (pods.length === 0) gaps.push(new Date().toISOString());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return async () => {
    seen.abort();
    await watched;
    return gaps;
  };
}

test("the example's Tenant gets its broker, with two pods", async () => {
  const text = await readFile("examples/key-broker/tenant.yaml", "utf8");
  const [namespace, tenant] = parseAllDocuments(text).map((one) => one.toJS() as object);
  await it.apply(kinds.NAMESPACE, namespace as object);
  await it.prepareTenantNamespace("initech", "initech");
  await it.apply(TENANT, tenant as object);
  await it.condition("Tenant", "initech", "Ready", "True");
  const pods = await it.client.list<Pod>(kinds.POD, "initech", { labelSelector: BROKER });
  expect(pods).toHaveLength(2);
});

describe("a Tenant with anthropic.access", () => {
  test("Direct has no broker, and its agents have the key", async () => {
    await it.apply(TENANT, aTenant("acme"));
    await it.apply(AGENT, anAgent("acme", "support"));
    await it.condition("Agent", "acme/support", "Ready", "True");
    expect(await left()).toEqual([]);
    expect(await ways()).toEqual(["direct"]);
    expect(volumesOf(await agentPods())[0]).toContain("anthropic");
  });

  test("Broker gets one, and then its agents lose the key and the way to the model, while they serve", async () => {
    const gaps = watchAvailability();
    await setAccess("Broker");
    await it.condition("Tenant", "acme", "BrokerReady", "True", "Ready", 60);
    await it.condition("Agent", "acme/support", "Ready", "True");
    await eventually(ways, (now) => now.join() === "broker", 60);
    expect(await gaps()).toEqual([]);
    const [pod, ...others] = await agentPods();
    expect(others).toEqual([]);
    expect(pod?.spec.automountServiceAccountToken).toBe(false);
    expect(pod?.spec.volumes.some((volume) => (volume["secret"] as Json)?.["secretName"] === "anthropic")).toBe(false);
    expect(pod?.spec.volumes.find(({ name }) => name === "broker-token")?.["projected"]).toMatchObject({
      sources: [
        { serviceAccountToken: { audience: "agentpg-broker", expirationSeconds: 600, path: "token" } },
        { configMap: { name: "agentpg-broker-ca", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      ],
    });
    const maps = await it.client.list<KubernetesObject & { data: Json }>(kinds.CONFIG_MAP, "acme", {
      labelSelector: "agentpg.dev/agent=support",
    });
    const config = maps
      .map(({ data }) => JSON.parse(String(data["agent.json"])) as Json)
      .find((one) => one["brokerUrl"]);
    expect(config).toMatchObject({ brokerUrl: "https://agentpg-broker.acme.svc:8080" });
    expect(config).not.toHaveProperty("anthropicBaseUrl");
  });

  test("Broker: its pod has the key and no token, and is as restricted as an agent's", async () => {
    const [pod] = await it.client.list<Pod>(kinds.POD, "acme", { labelSelector: BROKER });
    const text = JSON.stringify(pod?.spec);
    expect(pod?.spec.automountServiceAccountToken).toBe(false);
    expect(text).not.toContain('serviceAccountToken":');
    expect(text).not.toContain("sk-ant");
    expect(pod?.spec.volumes.map((volume) => volume["name"])).toEqual([
      "config",
      "database",
      "anthropic",
      "access",
      "tls",
    ]);
    expect(pod?.spec).toMatchObject({
      containers: [
        {
          args: ["broker"],
          resources: { limits: { memory: "512Mi" } },
          securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] }, runAsNonRoot: true },
        },
      ],
    });
  });

  test("Broker: in are the tenant's agents and who scrapes, out are Postgres and the model", async () => {
    const { ingress, egress, podSelector } = (await policy("agentpg-broker")).spec;
    expect(podSelector).toEqual({ matchLabels: { "app.kubernetes.io/name": "agentpg-broker" } });
    expect(ingress).toEqual([
      {
        from: [{ podSelector: { matchLabels: { "app.kubernetes.io/name": "agentpg-agent" } } }],
        ports: [{ protocol: "TCP", port: 8080 }],
      },
    ]);
    expect(egress).toHaveLength(2);
    expect(JSON.stringify(egress[1])).toContain(MODEL);
    expect((await policy("agentpg-allow-agents")).spec.podSelector).toMatchObject({
      matchExpressions: [{ operator: "NotIn", values: ["agentpg-broker"] }],
    });
  });

  test("Broker: it knows the tenant's models and budget; a change rolls it out, and the old configuration goes", async () => {
    await it.client.mergePatch(TENANT, "acme", undefined, {
      spec: {
        budget: { perDay: { usd: "5" } },
        anthropic: { allowedModels: ["claude-sonnet-5-5"], broker: { replicas: 2 } },
      },
    });
    const maps = () =>
      it.client.list<KubernetesObject & { data: Json }>(kinds.CONFIG_MAP, "acme", { labelSelector: BROKER });
    const configs = await eventually(
      async () =>
        (await maps())
          .filter(({ data }) => data["broker.json"])
          .map(({ data }) => parseBrokerConfig(String(data["broker.json"]))),
      (all) => all.length === 1 && all[0]?.allowedModels.length === 1,
      60,
    );
    expect(configs[0]).toMatchObject({
      tenant: { name: "acme", namespace: "acme" },
      budget: { perDay: { usd: "5" } },
      anthropicBaseUrl: "https://model.example",
    });
    await eventually(left, (all) => all.includes("PodDisruptionBudget"));
  });

  test("Broker: its certificate is of its name, agents trust it alone, and the next one is told before it is shown", async () => {
    const secret = () =>
      it.client.get<KubernetesObject & { data: Record<string, string> }>(kinds.SECRET, "agentpg-broker-tls", "acme");
    const trusted = async () => {
      const { data } = await it.client.get<KubernetesObject & { data: Json }>(
        kinds.CONFIG_MAP,
        "agentpg-broker-ca",
        "acme",
      );
      return String(data["ca.crt"]).match(/-----BEGIN[^]+?END CERTIFICATE-----/g) ?? [];
    };
    const text = async (file: string) =>
      Buffer.from((await secret()).data[file] ?? "", "base64")
        .toString()
        .trim();
    const made = await text("tls.crt");
    const certificate = new X509Certificate(made);
    expect(certificate.checkHost("agentpg-broker.acme.svc")).toBeDefined();
    expect(certificate.checkHost("agentpg-broker.globex.svc")).toBeUndefined();
    expect(await trusted()).toEqual([made]);

    // One that is to end in ten days.
    const then = new Date(Date.now() - (VALID_DAYS - 10) * 86_400_000);
    const old = await newServerCertificate(["agentpg-broker.acme.svc"], then);
    const base64 = (it: string) => Buffer.from(it).toString("base64");
    await it.client.mergePatch(kinds.SECRET, "agentpg-broker-tls", "acme", {
      data: { "tls.crt": base64(old.certificate), "tls.key": base64(old.key) },
    });
    const both = await eventually(trusted, (all) => all.length === 2, 30);
    expect(both[0]).toBe(old.certificate.trim());
    expect(await text("tls.crt")).toBe(old.certificate.trim());
    await eventually(
      () => text("next.crt"),
      (next) => next === both[1],
      30,
    );

    const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
    await it.client.mergePatch(kinds.SECRET, "agentpg-broker-tls", "acme", {
      metadata: { annotations: { "agentpg.dev/broker-certificate-announced-at": hourAgo } },
    });
    await eventually(
      () => text("tls.crt"),
      (shown) => shown === both[1],
      30,
    );
    expect(await trusted()).toEqual([both[1], both[0]]); // for pods that show the one of before yet
    expect(await text("next.key")).toBe("");
  });

  test("Broker: what somebody changes of it is set right", async () => {
    await it.client.mergePatch(kinds.NETWORK_POLICY, "agentpg-broker", "acme", { spec: { egress: [{}] } });
    await eventually(
      async () => (await policy("agentpg-broker")).spec.egress.length,
      (rules) => rules === 2,
      30,
    );
  });

  test("Direct again: the broker goes after the last pod that needs it, with all that belongs to it", async () => {
    const gaps = watchAvailability();
    let early = false;
    await setAccess("Direct", { broker: { replicas: 1 } });
    const done = await eventually(
      async () => {
        const pods = volumesOf(await agentPods());
        const objects = await left();
        early ||= !objects.includes("Deployment") && pods.some((names) => names.includes("broker-token"));
        return { objects, pods, ways: await ways() };
      },
      ({ objects, ways: now }) => objects.length === 0 && now.join() === "direct",
      90,
    );
    expect(early).toBe(false);
    expect(done.pods.every((names) => names.includes("anthropic"))).toBe(true);
    expect(await gaps()).toEqual([]);
    await it.condition("Agent", "acme/support", "Ready", "True");
    const { status } = await it.tenant("acme");
    expect(status?.conditions?.some(({ type }) => type === "BrokerReady")).toBe(false);
  });

  test("Broker, deleted: nothing of it is left", async () => {
    await setAccess("Broker");
    await it.condition("Tenant", "acme", "BrokerReady", "True", "Ready", 60);
    await it.client.delete(TENANT, "acme");
    await eventually(
      async () => [...(await left()), ...(await it.client.list<KubernetesObject>(TENANT)).filter(isAcme)],
      (all) => all.length === 0,
      60,
    );
  });
});
