import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { operatorConfig } from "../../src/operator/config.ts";
import { freePort } from "../../test/support/postgres.ts";
import { SYSTEM_NAMESPACE, type World } from "./world.ts";

const root = join(import.meta.dirname, "..", "..");

/** As the chart has it. */
const NODE_OPTIONS = "--max-semi-space-size=8";

export interface OperatorProgram {
  pid: number;
  /** Its metrics, asked for once: that costs it some milliseconds, which must not be what is measured. */
  metrics(): Promise<Metrics>;
  /** SIGTERM, and waits until it is gone. */
  stop(): Promise<void>;
}

/** A metric's samples that have these labels, added up; undefined if the operator does not answer. */
export type Metrics = (name: string, labels?: Record<string, string>) => number | undefined;

/** How often something is asked for that is waited for, in milliseconds. Each answer costs the operator a scrape of all its metrics. */
export const ASK_EVERY_MS = 1_000;

export interface OperatorFiles {
  kubeconfig: string;
  config: string;
  metricsPort: number;
}

/** The configuration as the chart writes it, but for the ports and a retention that stays out of the measurement. */
export async function operatorFiles(world: World): Promise<OperatorFiles> {
  const admin = await world.postgres.createOperatorRole();
  const credentialsDir = join(world.folder, "credentials");
  await mkdir(credentialsDir);
  await writeFile(join(credentialsDir, "username"), admin.user);
  await writeFile(join(credentialsDir, "password"), admin.password);
  await writeFile(join(credentialsDir, "ca.crt"), world.postgres.ca);
  const metricsPort = await freePort();
  const settings = operatorConfig.parse({
    namespace: SYSTEM_NAMESPACE,
    image: "agentpg:bench",
    database: { host: admin.host, port: admin.port, name: admin.database, credentialsDir },
    healthPort: 0,
    metricsPort,
    adminPort: 0,
    retention: { firstAfterSeconds: 86_400 },
  });
  const config = join(world.folder, "operator.json");
  await writeFile(config, JSON.stringify(settings));
  return { config, metricsPort, kubeconfig: await world.kubeconfigOf("operator") };
}

const labelled = (line: string, labels: Record<string, string>): boolean =>
  Object.entries(labels).every(([name, value]) => line.includes(`${name}="${value}"`));

/** The operator from its bundle, as its image runs it. It ends with this process, however that ends. */
export async function startOperatorProgram(
  world: World,
  files: OperatorFiles,
  bundle: string,
  nodeFlags: string[] = [],
): Promise<OperatorProgram> {
  const program = [join(bundle, "agentpg.mjs"), "operator", "--config", files.config, "--kubeconfig", files.kubeconfig];
  const args = [...nodeFlags, ...program, "--migrations", join(root, "migrations")];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", process.execPath, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], NODE_ENV: "production", NODE_OPTIONS },
  });
  const said: string[] = [];
  const heard = (chunk: unknown) => void (said.push(String(chunk)) > 20 && said.shift());
  child.stdout.on("data", heard);
  child.stderr.on("data", heard);
  let asked = false;
  child.once("exit", (code) => {
    if (!asked) process.stderr.write(`the operator ended by itself (${code}); it said last:\n${said.join("")}\n`);
  });
  const stop = async () => {
    asked = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  };
  world.onStop(stop);
  return {
    pid: child.pid ?? 0,
    stop,
    async metrics() {
      const answer = await fetch(`http://127.0.0.1:${files.metricsPort}/metrics`).catch(() => undefined);
      const lines = (await answer?.text())?.split("\n");
      return (name, labels = {}) =>
        lines
          ?.filter((it) => it.startsWith(name) && labelled(it, labels))
          .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    },
  };
}

/** Waits until every key was worked on at least once since the start and none waits. */
export async function untilWorkedOff(operator: OperatorProgram, agents: number): Promise<Metrics> {
  for (;;) {
    const metric = await operator.metrics();
    const done = metric("controller_runtime_reconcile_total", { controller: "agent" }) ?? 0;
    const isIdle = metric("workqueue_depth") === 0 && metric("controller_runtime_active_workers") === 0;
    if (done >= agents && isIdle) return metric;
    await sleep(ASK_EVERY_MS);
  }
}
