import { fork } from "node:child_process";
import { join } from "node:path";
import { Child } from "../../test/support/field/child.ts";
import type { Job, Told } from "./driver.ts";
import type { Endpoint } from "../../test/support/field/endpoint.ts";
import type { AgentProcess, FieldTenant } from "../../test/support/field/field.ts";
import type { Counters, Meter } from "./meter.ts";
import { cpuSeconds, cpuSecondsOfTree, residentMiB } from "../../test/support/field/process-cost.ts";

/** What one cell of the benchmark gave: all per run, or per 1,000 runs where it says so. */
export interface CellResult {
  runsPerSecond: number;
  runs: number;
  p50Ms: number;
  p99Ms: number;
  statements: number;
  walBytes: number;
  /** Of which full-page images, in pages. */
  walPages: number;
  /** Seconds of a processor per 1,000 runs. */
  cpu: { runtime: number; postgres: number; endpoint: number; driver: number };
  /** What one process of the agent held before the first request, and the most that one held under load, in MiB. */
  idleMiB: number;
  peakMiB: number;
}

export interface CellParts {
  agents: AgentProcess[];
  tenant: FieldTenant;
  endpoint: Endpoint;
  meter: Meter;
  postmaster: number;
  tokens: string[];
}

export interface CellShape {
  message: string;
  clients: number;
  seconds: number;
  warmUpSeconds: number;
  everyMs?: number;
}

const TURNS_PER_SESSION = 5;

interface Cost extends Counters {
  runtime: number;
  postgres: number;
  endpoint: number;
  driver: number;
}

async function costNow({ agents, tenant, endpoint, meter, postmaster }: CellParts, driver: Child): Promise<Cost> {
  return {
    ...(await meter.read(tenant.connection.user)),
    runtime: agents.reduce((sum, it) => sum + cpuSeconds(it.child.pid), 0),
    postgres: cpuSecondsOfTree(postmaster),
    endpoint: cpuSeconds(endpoint.child.pid),
    driver: cpuSeconds(driver.pid),
  };
}

const percentile = (sorted: number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

/** Loads the agent with clients that ask again as soon as they are answered. @throws Error when a run fails */
export async function runCell(parts: CellParts, shape: CellShape): Promise<CellResult> {
  const driver = new Child(fork(join(import.meta.dirname, "driver.ts"), { stdio: ["ignore", "pipe", "pipe", "ipc"] }));
  const job: Job = {
    ...shape,
    urls: parts.agents.map((it) => it.url),
    tokens: parts.tokens,
    turnsPerSession: TURNS_PER_SESSION,
  };
  const largest = () => Math.max(...parts.agents.map(({ child }) => residentMiB(child.pid)));
  const idleMiB = largest();
  let peakMiB = idleMiB;
  let failure: string | undefined;
  driver.process.on("message", (message) => {
    if ((message as Told).is === "failed") failure ??= (message as Extract<Told, { is: "failed" }>).why;
  });
  const watch = setInterval(() => (peakMiB = Math.max(peakMiB, largest())), 100);
  try {
    const result = await measured(parts, driver, job);
    if (failure) throw new Error(`a run failed: ${failure}`);
    return { ...result, idleMiB, peakMiB };
  } finally {
    clearInterval(watch);
    await driver.end("SIGKILL");
  }
}

async function measured(parts: CellParts, driver: Child, job: Job): Promise<Omit<CellResult, "idleMiB" | "peakMiB">> {
  const next = (is: Told["is"]) => told(driver, is);
  const measuring = next("measuring");
  driver.process.send?.(job);
  await measuring;
  await parts.meter.reset();
  const before = await costNow(parts, driver);
  const counted = (await next("measured")) as Extract<Told, { is: "measured" }>;
  const after = await costNow(parts, driver);
  await next("done");
  const { runs, seconds } = counted;
  const sorted = counted.latenciesMs.toSorted((a, b) => a - b);
  const perRun = (key: keyof Cost) => (after[key] - before[key]) / runs;
  return {
    runsPerSecond: runs / seconds,
    runs,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    statements: perRun("statements"),
    walBytes: perRun("walBytes"),
    walPages: perRun("fullPageImages"),
    cpu: {
      runtime: perRun("runtime") * 1000,
      postgres: perRun("postgres") * 1000,
      endpoint: perRun("endpoint") * 1000,
      driver: perRun("driver") * 1000,
    },
  };
}

function told(driver: Child, is: Told["is"]): Promise<Told> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error(`the driver ended too early:\n${driver.said}`));
    const heard = (message: unknown) => {
      const said = message as Told;
      if (said.is !== is && said.is !== "failed") return;
      driver.process.off("message", heard).off("exit", gone);
      if (said.is === "failed") reject(new Error(`a run failed: ${said.why}`));
      else resolve(said);
    };
    driver.process.on("message", heard).once("exit", gone);
  });
}
