import { fork } from "node:child_process";
import { join } from "node:path";
import type { Progress } from "../../src/telemetry/progress.ts";
import { Child } from "../../test/support/field/child.ts";
import { type AgentProcess, Field, type FieldTenant } from "../../test/support/field/field.ts";
import { residentMiB } from "../../test/support/field/process-cost.ts";
import type { Fault } from "../../test/support/simulated-claude/config.ts";
import { startBenchPostgres } from "../runs/server.ts";
import type { FloodJob, FloodResult, FloodTold } from "./driver.ts";

export interface FloodOptions {
  tenants: number;
  runsPerTenant: number;
}

/** About a third of all calls is refused: with and without the time after which to try again. */
const FAULTS: Fault[] = [
  { kind: "rate_limit", every: 5, retryAfter: 1 },
  { kind: "overloaded", every: 7 },
];
const PATIENCE_SECONDS = 540;
/** Connections of one tenant's process: all of them together have to fit into the server. */
const POOL_MAX = 6;
/** Processes that start at the same time: each needs a processor for half a second. */
const STARTS_AT_ONCE = 4;

interface Tenancy {
  tenant: FieldTenant;
  agent: AgentProcess;
}

export async function measureFlood(options: FloodOptions, progress: Progress): Promise<Record<string, unknown>> {
  const postgres = await progress.step("Postgres starts", () => startBenchPostgres());
  try {
    const field = await progress.step("the program is bundled", () => Field.create(postgres));
    try {
      return await floodOn(field, options, progress);
    } finally {
      await field.close();
    }
  } finally {
    await postgres.stop();
  }
}

async function floodOn(field: Field, options: FloodOptions, progress: Progress): Promise<Record<string, unknown>> {
  const endpoint = await field.endpoint({ latencyMs: 50, faults: FAULTS });
  const tenancies = await progress.step(`${options.tenants} tenants and their agents start`, (detail) =>
    startTenants(field, options.tenants, endpoint.url, detail),
  );
  const tokens = await Promise.all(tenancies.map(({ tenant }) => tenant.issuer.token("user")));
  const job: FloodJob = {
    tenants: tenancies.map(({ agent }, n) => ({ url: agent.url, token: tokens[n] as string })),
    runsPerTenant: options.runsPerTenant,
    message: "Say something.",
    patienceSeconds: PATIENCE_SECONDS,
  };
  const largest = () => Math.max(...tenancies.map(({ agent }) => residentMiB(agent.child.pid)));
  const idleRssMiB = largest();
  let peakRssMiB = idleRssMiB;
  const watch = setInterval(() => (peakRssMiB = Math.max(peakRssMiB, largest())), 250);
  const started = performance.now();
  const total = options.tenants * options.runsPerTenant;
  const found = await progress
    .step(`${total} runs at once`, (detail) => drive(job, (finished) => detail(`${finished} are finished`)))
    .finally(() => clearInterval(watch));
  const seconds = (performance.now() - started) / 1000;
  if (found.firstFailure) progress.note(`not finished: ${found.firstFailure.slice(0, 500)}`);
  const { faults, modelCalls } = await endpoint.stats();
  return { ...summary(found, total), seconds, idleRssMiB, peakRssMiB, modelCalls, faults, tenants: options.tenants };
}

async function startTenants(
  field: Field,
  count: number,
  anthropicBaseUrl: string,
  detail: (text: string) => void,
): Promise<Tenancy[]> {
  const started: Tenancy[] = [];
  const names = Array.from({ length: count }, (_, n) => `tenant-${String(n).padStart(2, "0")}`);
  const starter = async () => {
    for (let name = names.shift(); name; name = names.shift()) {
      const tenant = await field.tenant(name);
      const env = { AGENTPG_POOL_MAX: String(POOL_MAX), AGENTPG_POOL_MIN: "1" };
      // The limits that a Tenant has unless told.
      const tenantLimits = { runsPerMinute: 600, concurrentRuns: 50 };
      started.push({ tenant, agent: await field.agent(tenant, { anthropicBaseUrl, tenantLimits }, { env }) });
      detail(`${started.length}`);
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, starter));
  return started;
}

async function drive(job: FloodJob, onProgress: (finished: number) => void): Promise<FloodResult> {
  const driver = new Child(fork(join(import.meta.dirname, "driver.ts"), { stdio: ["ignore", "pipe", "pipe", "ipc"] }));
  return new Promise((resolve, reject) => {
    driver.process.once("exit", () => reject(new Error(`the driver ended too early:\n${driver.said}`)));
    driver.process.on("message", (message) => {
      const told = message as FloodTold;
      if (told.is === "progress") onProgress(told.finished);
      else resolve(told.result);
    });
    driver.process.send(job);
  });
}

const percentile = (values: number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
};

/** How unfair it is: the p99 of the tenant that fares worst, over that of the one in the middle. */
function summary({ finishedMs, refusals, resumed }: FloodResult, total: number) {
  const p99s = finishedMs.map((it) => percentile(it, 0.99));
  const all = finishedMs.flat();
  return {
    finishedRatio: all.length / total,
    worstTenantP99ToMedian: Math.max(...p99s) / percentile(p99s, 0.5),
    worstTenantP99Ms: Math.max(...p99s),
    medianTenantP99Ms: percentile(p99s, 0.5),
    p50Ms: percentile(all, 0.5),
    p99Ms: percentile(all, 0.99),
    refusals,
    resumed,
  };
}
