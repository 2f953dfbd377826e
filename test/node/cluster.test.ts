// The demo's cluster, and what it is good for: real pods, kubelet and packets.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { openAgent, readyPods, requestToken } from "../../src/cli/agent-access.ts";
import { query } from "../../src/cli/demo/database-window.ts";
import { KubernetesClient } from "../../src/kubernetes/client.ts";
import { loadKubeConfig, type PooledKubeConfig } from "../../src/kubernetes/kube-config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { forwardPort } from "../../src/kubernetes/port-forward.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { resourcePath } from "../../src/kubernetes/resource-kind.ts";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { anAgent } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { type Callers, startCallers } from "./callers.ts";
import { conditionOf, type Conditioned } from "../support/operator-harness.ts";
import { openAsSuperuser } from "./superuser.ts";

const demo = inject("demo");
let config: PooledKubeConfig;
let client: KubernetesClient;

beforeAll(() => {
  config = loadKubeConfig(demo.kubeconfig);
  client = new KubernetesClient(config);
});
afterAll(() => config?.close());

test("the demo works on a cluster of its own, from the chart, with packets for what it claims", () => {
  const { code, out } = demo;
  expect(code, out.slice(-3000)).toBe(0);
  expect(out).toContain("the demo works");
  // Which walls held is said aloud; on the cluster that is built from source each of them must be there.
  expect(out).toContain("permission denied (42501)");
  expect(out).toContain("globex's token at acme's agent: HTTP 403");
  expect(out).toContain("a pod of acme connects to acme's agent: connected");
  const enforced = out.includes("enforces NetworkPolicy");
  expect(out.includes("is kept from acme's agent by the network")).toBe(enforced);
  // The planted key of the demo is in no output.
  expect(out).not.toContain("sk-ant-");
});

const apply = (kind: kinds.ResourceKind, object: object) =>
  client.apply(kind, object as never, { fieldManager: "test" });
const agentCondition = async (agent: string, type: string, status: string, reason: string, seconds = 60) =>
  conditionOf(
    await eventually(
      () => client.get<Conditioned>(AGENT, agent, "globex"),
      (it) => conditionOf(it, type)?.status === status && conditionOf(it, type)?.reason === reason,
      seconds,
    ),
    type,
  );
const visitor = (namespace: string) => () => requestToken(client, namespace, "visitor");

describe("an agent's pod", () => {
  // Comes while others are looked at.
  beforeAll(() => apply(AGENT, anAgent("globex", "leaver", { model: "claude-haiku-5-5" })));

  test("has no Kubernetes token, no root, and no secret in its spec or environment", async () => {
    const [pod] = await readyPods(client, "acme", "support");
    const text = JSON.stringify(pod);
    expect(text).not.toContain("serviceAccountToken");
    expect(text).not.toContain("sk-ant-");
    expect(pod).toMatchObject({
      spec: { automountServiceAccountToken: false, securityContext: { runAsNonRoot: true, runAsUser: 1000 } },
    });
  });

  test("logs neither key nor password", async () => {
    const secret = await client.get<{ data: Record<string, string> }>(kinds.SECRET, "agentpg-database", "acme");
    const password = Buffer.from(secret.data["password"] ?? "", "base64").toString();
    const [pod] = await readyPods(client, "acme", "support");
    const log = await client.request<string>("GET", resourcePath(kinds.POD, "acme", pod?.metadata.name, "log"));
    expect(log).toContain("the agent is up");
    expect(log).not.toContain(password);
    expect(log).not.toContain("sk-ant-");
  });

  test("drains when it is deleted: a run under way is answered, by it or by its successor", async () => {
    const open = await openAgent({ client, config }, "acme", "support", visitor("acme"));
    const session = (await open.agent.createSession()).id;
    const run = await open.agent.startRun(session, "Tell me something. REPLY_WORDS 200");
    await client.delete(kinds.POD, open.pod, "acme");
    await open.close();
    const successor = await eventually(
      () => readyPods(client, "acme", "support"),
      (pods) => pods.some(({ metadata }) => metadata.name !== open.pod),
      60,
    );
    expect(successor.length).toBeGreaterThan(0);
    const again = await openAgent({ client, config }, "acme", "support", visitor("acme"));
    const done = await eventually(
      () => again.agent.getRun(run.id),
      ({ state }) => state === "completed",
      60,
    );
    const { items } = await again.agent.messages(session);
    await again.close();
    expect(done.response).toBe("word ".repeat(200));
    expect(items.filter(({ role }) => role === "assistant")).toHaveLength(1);
  });

  test("of a deleted Agent goes on with its network: the answer under way is told and kept to its end, then both go", async () => {
    await agentCondition("leaver", "Ready", "True", "Ready");
    const open = await openAgent({ client, config }, "globex", "leaver", visitor("globex"));
    const database = await openAsSuperuser(client, config);
    const { kubectl } = await ensureTools(["kubectl"], silentProgress);
    const deleteAgent = ["--kubeconfig", demo.kubeconfig, "-n", "globex", "delete", "agent", "leaver"];
    const { id } = await open.agent.createSession();
    let text = "";
    const others: string[] = [];
    for await (const event of open.agent.run(id, "Tell me something. REPLY_WORDS 320")) {
      if (event.type !== "text.delta") others.push(event.type);
      else if ((text += event.data.text) === event.data.text) await promisify(execFile)(kubectl, deleteAgent);
    }
    expect(text).toBe("word ".repeat(320));
    expect(others).toEqual(["run.started", "run.completed"]); // nothing was asked for again
    const labelSelector = "agentpg.dev/agent=leaver";
    const left = async () => [
      ...(await client.list(kinds.POD, "globex", { labelSelector })),
      ...(await client.list(kinds.NETWORK_POLICY, "globex", { labelSelector })),
    ];
    await eventually(left, (all) => all.length === 0, 25); // a pod that is killed at the end of its grace takes 40 s
    const { schema } = (await client.get<Conditioned>(TENANT, "globex")).status ?? {};
    const rows = await query(
      { ...database.settings, database: "agentpg" },
      `SELECT state, response FROM ${String(schema)}.runs WHERE agent = 'leaver'`,
    );
    expect(rows).toEqual([{ state: "completed", response: text }]);
    await open.close();
    await database.close();
  }, 90_000);
});

describe("what only pods can find out", () => {
  test("an unknown model is named in a condition; corrected, the agent becomes ready", async () => {
    await apply(AGENT, anAgent("globex", "typo", { model: "gpt-unknown" }));
    const wrong = await agentCondition("typo", "ConfigurationValid", "False", "UnknownModel");
    expect(wrong?.message).toContain("gpt-unknown");
    await client.mergePatch(AGENT, "typo", "globex", { spec: { model: "claude-haiku-5-5" } });
    await agentCondition("typo", "Ready", "True", "Ready", 60);
    await client.delete(AGENT, "typo", "globex");
  });

  test("a key that Anthropic refuses is named in a condition; a new one is in use without a restart", async () => {
    const before = await readyPods(client, "globex", "assistant");
    await apply(kinds.SECRET, {
      metadata: { name: "anthropic", namespace: "globex" },
      stringData: { "api-key": "sk-ant-bad" },
    });
    await agentCondition("assistant", "CredentialsReady", "False", "KeyRefused", 180);
    await apply(kinds.SECRET, {
      metadata: { name: "anthropic", namespace: "globex" },
      stringData: { "api-key": "sk-ant-good" },
    });
    await agentCondition("assistant", "Ready", "True", "Ready", 120);
    const after = await readyPods(client, "globex", "assistant");
    expect(after.map(({ metadata }) => metadata.uid)).toEqual(before.map(({ metadata }) => metadata.uid));
  }, 330_000);

  test("a changed key is in use within 10 seconds, without a restart, while runs flow, and none fails", async () => {
    const [pod] = await readyPods(client, "globex", "assistant");
    const open = await openAgent({ client, config }, "globex", "assistant", visitor("globex"));
    const status = await forwardPort(config, "globex", pod?.metadata.name ?? "", 9090);
    const fingerprint = async () => {
      const response = await fetch(`http://127.0.0.1:${status.port}/status`, { headers: { connection: "close" } });
      return ((await response.json()) as { apiKey: { fingerprint: string } }).apiKey.fingerprint;
    };
    const before = await fingerprint();
    await apply(kinds.SECRET, {
      metadata: { name: "anthropic", namespace: "globex" },
      stringData: { "api-key": "sk-ant-good-and-new" },
    });
    const changedAt = Date.now();
    const states: string[] = [];
    const seconds = await eventually(
      async () => {
        states.push((await open.agent.ask((await open.agent.createSession()).id, "Hello")).state);
        return (await fingerprint()) === before ? undefined : (Date.now() - changedAt) / 1000;
      },
      (it) => it !== undefined,
      90,
    );
    states.push((await open.agent.ask((await open.agent.createSession()).id, "Hello")).state);
    await status.close();
    await open.close();
    expect(seconds).toBeLessThan(10);
    expect(new Set(states)).toEqual(new Set(["completed"]));
    expect((await readyPods(client, "globex", "assistant")).map(({ metadata }) => metadata.uid)).toEqual([
      pod?.metadata.uid,
    ]);
  }, 120_000);

  test("a rollout to an image that does not start keeps the old pods serving and says why", async () => {
    await client.mergePatch(TENANT, "globex", undefined, { spec: { quota: { memory: "600Mi" } } });
    await client.mergePatch(AGENT, "assistant", "globex", {
      spec: { systemPrompt: "You help.", resources: { limits: { memory: "512Mi" } } },
    });
    const stuck = await eventually(
      () => client.get<Conditioned>(AGENT, "assistant", "globex"),
      (it) => conditionOf(it, "Progressing")?.reason === "PodsRefused",
      60,
    );
    expect(conditionOf(stuck, "Progressing")?.message).toContain("quota");
    expect(conditionOf(stuck, "Available")?.status).toBe("True");
    await client.mergePatch(TENANT, "globex", undefined, { spec: { quota: { memory: "4Gi" } } });
    await agentCondition("assistant", "Progressing", "False", "RolledOut", 90);
  }, 240_000);
});

describe("a rollout", () => {
  const inOrder = (a: string, b: string) => (a < b ? -1 : 1);
  const change = (spec: object) => client.mergePatch(AGENT, "roller", "globex", { spec });
  const uids = async () =>
    (await readyPods(client, "globex", "roller")).map(({ metadata }) => String(metadata.uid)).toSorted(inOrder);
  const rolledOut = async () => {
    await agentCondition("roller", "Progressing", "False", "RolledOut", 120);
    await agentCondition("roller", "Ready", "True", "Ready");
  };
  const pods = () => client.list<KubernetesObject>(kinds.POD, "globex", { labelSelector: "agentpg.dev/agent=roller" });
  let callers: Callers;

  beforeAll(async () => {
    await apply(AGENT, anAgent("globex", "roller", { model: "claude-haiku-5-5", replicas: 2 }));
    await rolledOut();
    const [pod] = await client.list<KubernetesObject & { spec: { containers: [{ image: string }] } }>(
      kinds.POD,
      "globex",
      { labelSelector: "agentpg.dev/agent=roller" },
    );
    const { image } = pod?.spec.containers[0] ?? { image: "" };
    callers = await startCallers(client, {
      namespace: "globex",
      agent: "roller",
      token: await visitor("globex")(),
      image,
    });
    await callers.more(20);
  }, 240_000);
  afterAll(async () => {
    await callers?.stop();
    await client.delete(AGENT, "roller", "globex");
  });

  test("to another prompt takes all pods, and no request to the Service fails", async () => {
    const before = await uids();
    await change({ systemPrompt: "You answer in one word." });
    await eventually(
      pods,
      (now) => now.length === 2 && now.every(({ metadata }) => !before.includes(metadata.uid ?? "")),
      150,
    );
    await rolledOut();
    expect((await callers.more(20)).failures).toEqual([]);
  }, 240_000);

  test("to a model that does not exist keeps the old pods serving, says why, and can be taken back", async () => {
    const before = await uids();
    await change({ model: "gpt-unknown" });
    const wrong = await agentCondition("roller", "ConfigurationValid", "False", "UnknownModel", 120);
    expect(wrong?.message).toContain("gpt-unknown");
    await agentCondition("roller", "Available", "True", "PodsReady");
    const { failures } = await callers.more(20);
    expect(await uids()).toEqual(before);
    await change({ model: "claude-haiku-5-5" });
    await rolledOut();
    expect(await uids()).toEqual(before);
    expect(failures).toEqual([]);
  }, 240_000);

  test("to no pods and back, by the scale subresource: it says so, and answers again", async () => {
    await callers.stop();
    const scale = (replicas: number) => client.mergePatch(AGENT, "roller", "globex", { spec: { replicas } }, "scale");
    await scale(0);
    await agentCondition("roller", "Available", "True", "ScaledToZero");
    await eventually(pods, (now) => now.length === 0, 90);
    await scale(1);
    await eventually(uids, (now) => now.length === 1, 90);
    await rolledOut();
    const open = await openAgent({ client, config }, "globex", "roller", visitor("globex"));
    const session = await open.agent.createSession();
    expect(await open.agent.ask(session.id, "Hello")).toMatchObject({ state: "completed" });
    await open.close();
  }, 240_000);
});

describe("the operator in the cluster", () => {
  test("cannot list Secrets of all namespaces", async () => {
    const review = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: {
        user: "system:serviceaccount:agentpg-system:agentpg",
        resourceAttributes: { verb: "list", resource: "secrets" },
      },
    };
    const answer = await client.request<{ status: { allowed: boolean } }>(
      "POST",
      "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      { body: review },
    );
    expect(answer.status.allowed).toBe(false);
  });

  test("is scraped on its own port, and leads", async () => {
    const [pod] = await client.list<{ metadata: { name: string } }>(kinds.POD, "agentpg-system", {
      labelSelector: "app.kubernetes.io/name=agentpg-operator",
    });
    const forwarded = await forwardPort(config, "agentpg-system", pod?.metadata.name ?? "", 9090);
    const text = await (
      await fetch(`http://127.0.0.1:${forwarded.port}/metrics`, { headers: { connection: "close" } })
    ).text();
    await forwarded.close();
    expect(text).toContain('leader_election_master_status{name="agentpg-operator"} 1');
  });

  test("deletes a Tenant with all that it owns, and gives the namespace back", async () => {
    await client.delete(TENANT, "globex");
    await eventually(
      () => client.list<{ metadata: { name: string } }>(TENANT),
      (all) => !all.some(({ metadata }) => metadata.name === "globex"),
      120,
    );
    expect(await client.list(kinds.DEPLOYMENT, "globex")).toEqual([]);
    expect(await client.list(kinds.NETWORK_POLICY, "globex", { labelSelector: "agentpg.dev/tenant-uid" })).toEqual([]);
  });
});
