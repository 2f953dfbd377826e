import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { NAMESPACE } from "../../src/kubernetes/resource-kind.ts";
import { run } from "../../src/local-cluster/run.ts";
import type { Progress } from "../../src/telemetry/progress.ts";
import { objectTemplates, OWNED_OBJECTS } from "./bare-loop.ts";
import { agentNames, forAll, serveAgents, tenantNames } from "./fleet.ts";
import type { Fleet, Plan } from "./measure.ts";
import { cpuSeconds, memoryMiB } from "./process-cost.ts";
import { userName } from "./world.ts";

const source = join(import.meta.dirname, "..", "controller-runtime");
const LABELS = { "bench.agentpg.dev/operator": "go" };

/** Compiles the comparison; minutes when nothing of it is in Go's cache. */
export async function buildGoOperator(folder: string, progress: Progress): Promise<string> {
  const proxy = (await run("go", ["env", "GOPROXY"])).trim().replace(/[,|]direct$/, "");
  const env = { ...process.env, GOPROXY: proxy, GOFLAGS: "-mod=readonly", GOWORK: "off", CGO_ENABLED: "0" };
  const program = join(folder, "go-operator");
  const args = ["build", "-trimpath", "-ldflags=-s -w", "-o", program, "."];
  await progress.step("the controller-runtime operator is compiled", () => run("go", args, { cwd: source, env }));
  return program;
}

async function start({ world, config }: Fleet, program: string) {
  const templates = join(world.folder, "templates.json");
  await writeFile(templates, JSON.stringify(objectTemplates(config, LABELS)));
  const kubeconfig = await world.kubeconfigOf("go-operator");
  const args = ["--pdeathsig", "KILL", program, "--kubeconfig", kubeconfig, "--templates", templates];
  const child = spawn("setpriv", args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk) => void (said = (said + String(chunk)).slice(-4000)));
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  };
  world.onStop(stop);
  child.once("exit", (code) => code && process.stderr.write(`the Go operator ended (${code}):\n${said}\n`));
  while (!said.includes("Starting workers")) await sleep(100);
  return { pid: child.pid ?? 0, stop };
}

/** The same number of Agents with the same objects, by the operator in bench/controller-runtime. */
export async function measureGoOperator(fleet: Fleet, { agents, tenants, progress }: Plan, program: string) {
  const { client, world } = fleet;
  const namespaces = tenantNames(tenants).map((it) => `go-${it}`);
  await forAll(namespaces, (name) => client.apply(NAMESPACE, { metadata: { name } }, { fieldManager: "bench" }));
  const operator = await start(fleet, program);
  const names = agentNames(agents, namespaces);
  await world.audit.mark();
  const before = cpuSeconds(operator.pid);
  const started = performance.now();
  await progress.step(`${agents} Agents are served by controller-runtime`, (detail) =>
    serveAgents(client, fleet.agents, names, (left) => detail(`${left} left`), LABELS),
  );
  const wallSeconds = (performance.now() - started) / 1000;
  const operatorCpuSeconds = cpuSeconds(operator.pid) - before;
  await sleep(2_000);
  const requests = await world.audit.requestsSince(userName("go-operator"));
  const memory = memoryMiB(operator.pid);
  await operator.stop();
  return {
    agents,
    wallSeconds,
    operatorCpuMsPerAgent: (1000 * operatorCpuSeconds) / agents,
    extraRequestsPerAgent: requests.all / agents - OWNED_OBJECTS,
    requests: requests.by,
    rssMiB: memory.now,
    peakRssMiB: memory.peak,
  };
}
