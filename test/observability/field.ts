import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { type AgentProcess, startProcess } from "../runtime/agent-process.ts";
import { World } from "../runtime/fixture.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { renderChart } from "../support/chart.ts";
import { eventually } from "../support/eventually.ts";
import { type OperatorHarness, startHarness } from "../support/operator-harness.ts";
import { type OperatorProcess, startOperatorProcess } from "../support/operator-process.ts";
import { freePort } from "../support/postgres.ts";
import { OtlpReceiver } from "../support/otlp-receiver.ts";
import { aBrokerPodOf, aPodOf, foundEndpoints, foundPods, operatorBehindService } from "./discovered.ts";
import { type FieldBroker, fieldBroker } from "./field-broker.ts";
import { scrapeConfigs } from "./monitors.ts";

/** An operator and two agents, each a process of its own, a key broker, and how a Prometheus finds them: as the chart's monitors say. */
export interface Field {
  scrapeConfigs: object[];
  /** Where the agents' traces go. */
  traces: OtlpReceiver;
  /** Lets the agents do a bit of everything. */
  work(): Promise<void>;
  stop(): Promise<void>;
}

const note = {
  name: "note",
  description: "A note.",
  sql: {
    statement: "SELECT $1::integer AS id",
    parameters: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] },
  },
};

/** Asks that make a series of every kind: answers, tools, a delegation, a person's no, failures and refusals. */
async function work(world: World, support: AgentProcess, broker: FieldBroker): Promise<void> {
  await broker.work();
  const { client, url } = support;
  const ask = async (question: string) => client.ask((await client.createSession()).id, question);
  world.claude.config.sayings = [
    { match: "made up", content: [{ type: "tool_use", id: "t1", name: "nothing", input: {} }], stopReason: "tool_use" },
  ];
  world.claude.config.faults = [{ kind: "truncate", match: "broken" }];
  await Promise.all(["Hello", "USE_TOOL 1 note", "USE_TOOL 1 sales", "made up", "broken"].map(ask));
  const { id } = await client.startRun((await client.createSession()).id, "USE_TOOL 1 asked");
  const [call] = await eventually(
    async () => (await client.approvals()).items,
    (it) => it.length > 0,
  );
  await client.decide(id, call?.toolUseId ?? "", false);
  await fetch(`${url}/v1/runs/none`);
  world.claude.config.badKeys = ["sk-ant-test-0001"];
  await ask("Hello");
}

async function agents(world: World, traces: string): Promise<{ support: AgentProcess; sales: AgentProcess }> {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: traces, OTEL_BSP_SCHEDULE_DELAY: "50" };
  const sql = "spoken for by the whole tenant";
  const budget = { perDay: { usd: "50", tokens: 1_000_000 }, perMonth: { usd: "500", tokens: 10_000_000 } };
  const [support, sales] = await Promise.all([
    startProcess(
      world,
      {
        budget,
        tools: [note, { ...note, name: "asked" }, { name: "sales", description: sql, agent: { name: "sales" } }],
        approvals: { tools: ["asked"], timeoutSeconds: 60, onTimeout: "Deny" },
      },
      env,
    ),
    startProcess(world, { name: "sales", budget }, env),
  ]);
  return { support, sales };
}

/** A Tenant that is ready, with an encrypted Agent that never is, for there are no nodes. */
async function tenants(harness: OperatorHarness): Promise<void> {
  await harness.prepareTenantNamespace("acme", "acme");
  await harness.apply(TENANT, aTenant("acme"));
  await harness.apply(AGENT, anAgent("acme", "support", { dataProtection: { encryptTranscripts: true } }));
  await harness.apply(AGENT, anAgent("acme", "sales"));
  await harness.apply(TENANT, aTenant("globex")); // no namespace is handed to it, no key is there: not ready
  await harness.condition("Tenant", "acme", "Ready", "True");
  await harness.condition("Tenant", "globex", "Ready", "False");
}

export async function startField(): Promise<Field> {
  const keysDir = await mkdtemp(join(tmpdir(), "agentpg-kek-"));
  await writeFile(join(keysDir, "first"), randomBytes(32).toString("base64"));
  await writeFile(join(keysDir, "current"), "first");
  const traces = new OtlpReceiver();
  const [harness, world, collector] = await Promise.all([
    startHarness({ controllerManager: false }),
    World.create(),
    traces.listen(),
  ]);
  const metricsPort = await freePort();
  const config = harness.operatorConfig({
    metricsPort,
    healthPort: await freePort(),
    adminPort: await freePort(),
    migrationsDir: join(import.meta.dirname, "../../migrations"),
    encryption: { keysDir },
    retention: { firstAfterSeconds: 0 },
    securityChecks: { firstAfterSeconds: 0, intervalSeconds: 1 },
  });
  let operator: OperatorProcess | undefined;
  let pods: AgentProcess[] = [];
  let broker: FieldBroker | undefined;
  const stop = async () => {
    await Promise.all([operator?.kill(), ...pods.map((it) => it.end("SIGKILL"))]);
    await broker?.stop();
    await Promise.all([harness.stop(), world.close(), traces.close()]);
    await rm(keysDir, { recursive: true, force: true });
  };
  try {
    operator = await startOperatorProcess(config, harness.kubeconfig);
    const [{ support, sales }] = await Promise.all([agents(world, collector), tenants(harness)]);
    pods = [support, sales];
    broker = await fieldBroker(world);
    const monitors = ["serviceMonitor", "podMonitor"].map(
      (it) => `metrics.${it}.enabled=true,metrics.${it}.interval=1s`,
    );
    const chart = await renderChart(...monitors.flatMap((it) => ["--set", it]));
    const { client } = harness;
    const found = [
      { pod: await operatorBehindService(client, chart, 1), address: `127.0.0.1:${metricsPort}` },
      {
        pod: await aPodOf(client, { namespace: "acme", agent: "support", n: 2 }),
        address: new URL(support.metricsUrl).host,
      },
      {
        pod: await aPodOf(client, { namespace: "acme", agent: "sales", n: 3 }),
        address: new URL(sales.metricsUrl).host,
      },
      { pod: await aBrokerPodOf(client, "acme", 5), address: broker.metricsAddress },
    ];
    await aPodOf(client, { namespace: "acme", agent: "sales", n: 4, phase: "Failed" });
    // The one thing that is not as in a cluster: where a pod's address leads to.
    const reached = found.map(({ pod, address }) => ({
      source_labels: ["pod"],
      regex: pod,
      target_label: "__address__",
      replacement: address,
    }));
    return {
      scrapeConfigs: scrapeConfigs(
        chart,
        { pods: await foundPods(client), endpoints: await foundEndpoints(client) },
        reached,
      ),
      traces,
      work: () => work(world, support, broker as FieldBroker),
      stop,
    };
  } catch (error) {
    const said = operator?.output().split("\n").slice(-5).join("\n");
    await stop();
    throw new Error(`the field did not come up; the operator said:\n${said}`, { cause: error });
  }
}
