import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { AgentConfig } from "../../src/api/agent-config.ts";
import type { Progress } from "../../src/telemetry/progress.ts";
import type { SimulatedConfig } from "../../test/support/simulated-claude/config.ts";
import { measureBareCalls } from "./bare-calls.ts";
import { type Bound, measureBound } from "./bound.ts";
import { type CellResult, runCell } from "./cell.ts";
import type { Endpoint } from "../../test/support/field/endpoint.ts";
import { Field, type FieldTenant } from "../../test/support/field/field.ts";
import { type Meter, openMeter } from "./meter.ts";
import { postmasterOf, startBenchPostgres } from "./server.ts";

export interface RunsOptions {
  seconds: number;
  quick: boolean;
  /** Whether it tells which statements and which records of the log a run costs. */
  statements: boolean;
  /** Numbers of the agent's processes to try. */
  processes: number[];
  /** Where processor profiles of the agent's processes go. */
  profile: string | undefined;
  /** What is done about personal data. */
  pii: AgentConfig["pii"];
}

const CLIENTS = 50;
const WARM_UP_SECONDS = 3;

const PLAIN = { message: "Say something." };
/** The tool of a user's own module: what a call costs beside the tool's own work. */
const NOTE_MODULE = `import { defineTool } from "agentpg-operator/tools";
import { z } from "zod";
const note = defineTool({
  name: "note",
  description: "Notes a number.",
  input: z.object({ n: z.number() }),
  execute: () => "noted",
});
export default { tools: [note] };`;
const TOOLS: { message: string; modules: Record<string, string> } = {
  message: "USE_TOOL 2 note",
  modules: { note: NOTE_MODULE },
};

interface Ground {
  field: Field;
  endpoint: Endpoint;
  meter: Meter;
  postmaster: number;
  options: RunsOptions;
  progress: Progress;
}

/**
 * With tables of its own, as the limit has a database of its own: a vacuum of earlier cells' rows would leave room in every page, and
 * the first row that goes there after the checkpoint before a cell writes the page in full.
 */
async function freshTenant(field: Field): Promise<{ tenant: FieldTenant; tokens: string[] }> {
  const tenant = await field.tenant(`bench-${randomUUID().slice(0, 8)}`);
  const tokens = await Promise.all(Array.from({ length: CLIENTS }, (_, n) => tenant.issuer.token(`user-${n}`)));
  return { tenant, tokens };
}

/** One number of processes: started fresh, measured, ended. */
async function cellWith(
  ground: Ground,
  processes: number,
  shape: { message: string; clients: number; modules?: Record<string, string>; model?: Partial<SimulatedConfig> },
): Promise<CellResult> {
  const { field, endpoint, meter, options } = ground;
  const { tenant, tokens } = await freshTenant(field);
  await endpoint.configure({ latencyMs: 0, chunkDelayMs: 0, ...shape.model });
  const change = { anthropicBaseUrl: endpoint.url, pii: options.pii };
  const agents = await Promise.all(
    Array.from({ length: processes }, () =>
      field.agent(tenant, change, { profile: options.profile, modules: shape.modules }),
    ),
  );
  try {
    await meter.settle();
    const { message, clients } = shape;
    const seconds = options.seconds;
    const parts = { ...ground, agents, tenant, tokens };
    const result = await runCell(parts, { message, clients, seconds, warmUpSeconds: WARM_UP_SECONDS });
    if (options.statements) await tellCosts(ground, tenant, result);
    return result;
  } finally {
    await Promise.all(agents.map((it) => it.child.end("SIGTERM")));
  }
}

async function tellCosts({ meter, progress }: Ground, tenant: FieldTenant, { runs }: CellResult): Promise<void> {
  for (const { calls, query } of await meter.topStatements(tenant.connection.user))
    progress.note(`   ${(calls / runs).toFixed(2)} × ${query}`);
  for (const { relation, record, bytes, fullPages } of await meter.topWal())
    progress.note(
      `   ${(bytes / runs).toFixed(0)} B (${(fullPages / runs).toFixed(3)} full pages) ${relation}: ${record}`,
    );
}

interface Best {
  best: CellResult;
  processes: number;
  all: Record<string, CellResult>;
}

async function bestOf(ground: Ground, name: string, shape: Parameters<typeof cellWith>[2]): Promise<Best> {
  const all: Record<string, CellResult> = {};
  for (const processes of ground.options.processes) {
    const title = `${name}, ${shape.clients} clients, ${processes} process${processes > 1 ? "es" : ""}`;
    const cell = await ground.progress.step(title, () => cellWith(ground, processes, shape));
    ground.progress.note(`  ${spoken(cell)}`);
    all[processes] = cell;
  }
  const [processes, best] = Object.entries(all).toSorted(([, a], [, b]) => b.runsPerSecond - a.runsPerSecond)[0] as [
    string,
    CellResult,
  ];
  return { best, processes: Number(processes), all };
}

const spoken = (cell: CellResult): string =>
  `${cell.runsPerSecond.toFixed(0)} runs/s · p50 ${cell.p50Ms.toFixed(0)} ms · p99 ${cell.p99Ms.toFixed(0)} ms · ` +
  `${cell.statements.toFixed(2)} statements · ${cell.walBytes.toFixed(0)} B WAL (${cell.walPages.toFixed(3)} full pages) · CPU s/1000: ` +
  `runtime ${cell.cpu.runtime.toFixed(2)}, Postgres ${cell.cpu.postgres.toFixed(2)}, endpoint ${cell.cpu.endpoint.toFixed(2)}, ` +
  `driver ${cell.cpu.driver.toFixed(2)} · ${cell.peakMiB.toFixed(0)} MiB`;

const absolute = (name: string, { best, processes, all }: Best) => ({
  [`${name}RunsPerSecond`]: best.runsPerSecond,
  [`${name}Processes`]: processes,
  [`${name}RunsPerSecondBy`]: Object.fromEntries(Object.entries(all).map(([n, it]) => [n, it.runsPerSecond])),
  [`${name}P50Ms`]: best.p50Ms,
  [`${name}P99Ms`]: best.p99Ms,
  [`${name}CpuSecondsPer1000`]: best.cpu,
});

async function withoutLatency(ground: Ground, bound: Bound) {
  const plain = await bestOf(ground, "no tools", { ...PLAIN, clients: CLIENTS });
  const tools = await bestOf(ground, "2 tool calls", { ...TOOLS, clients: CLIENTS });
  return {
    plainToBound: plain.best.runsPerSecond / bound.plain,
    toolsToBound: tools.best.runsPerSecond / bound.tools,
    statementsPlain: plain.best.statements,
    statementsTools: tools.best.statements,
    walPlain: plain.best.walBytes,
    walTools: tools.best.walBytes,
    ...absolute("plain", plain),
    ...absolute("tools", tools),
  };
}

/** Model calls of a run of {@link PLAIN} and of {@link TOOLS}: the ceiling is the clients over what these take. */
const MODEL_CALLS = { slowModel: 1, slowTools: 3 };
const MODEL_SECONDS = 0.2;
const CROWDS = [50, 200];

async function withSlowModel(ground: Ground): Promise<Record<string, unknown>> {
  const model = { latencyMs: MODEL_SECONDS * 1000 };
  const found: Record<string, unknown> = {};
  const p99s: number[] = [];
  for (const [name, work] of [
    ["slowModel", PLAIN],
    ["slowTools", TOOLS],
  ] as const) {
    for (const clients of CROWDS) {
      const title = name === "slowModel" ? "slow model" : "slow model, 2 tool calls";
      const cell = await bestOf(ground, title, { ...work, clients, model });
      const ceiling = clients / (MODEL_CALLS[name] * MODEL_SECONDS);
      found[`${name}ToCeiling${clients}`] = cell.best.runsPerSecond / ceiling;
      Object.assign(found, absolute(`${name}${clients}`, cell));
      if (name === "slowModel") p99s.push(cell.best.p99Ms);
      const alone = cell.all[1];
      if (name === "slowModel" && clients === CROWDS.at(-1) && alone) Object.assign(found, memory(alone, clients));
    }
  }
  return { ...found, slowModelP99Ms: Math.max(...p99s) };
}

const memory = ({ idleMiB, peakMiB }: CellResult, runs: number) => ({
  mibPerRun: (peakMiB - idleMiB) / runs,
  idleMiB,
  peakMiB,
});

async function measureOn(ground: Ground): Promise<Record<string, unknown>> {
  const { field, progress, options } = ground;
  const bound = await progress.step("the limit is taken", () =>
    measureBound(field.postgres, join(field.folder, "bound"), { clients: CLIENTS, seconds: options.seconds }),
  );
  progress.note(`  ${bound.plain.toFixed(0)} and ${bound.tools.toFixed(0)} runs/s by ${bound.by}`);
  if (bound.by === "replay")
    progress.note(
      "  pgbench is not on this machine: clients in Node cost more, so the ratios come out higher than with it",
    );
  const bare = await progress.step("model calls alone", () => measureBareCalls(ground.endpoint, CLIENTS, 5));
  progress.note(`  ${bare.callsPerSecond.toFixed(0)} calls/s, ${bare.cpuMs.toFixed(3)} ms of a processor each`);
  const quick = await withoutLatency(ground, bound);
  const slow = options.quick ? {} : await withSlowModel(ground);
  return {
    ...quick,
    ...slow,
    boundPlain: bound.plain,
    boundTools: bound.tools,
    boundBy: bound.by,
    bareCallsPerSecond: bare.callsPerSecond,
    bareCallCpuMs: bare.cpuMs,
    pii: options.pii,
  };
}

export async function measureRuns(options: RunsOptions, progress: Progress): Promise<Record<string, unknown>> {
  const postgres = await progress.step("Postgres starts", () => startBenchPostgres());
  try {
    const field = await progress.step("the program is bundled", () => Field.create(postgres));
    try {
      const meter = await openMeter(postgres.adminSettings(field.database));
      const endpoint = await field.endpoint();
      const postmaster = await postmasterOf(postgres);
      return await measureOn({ field, endpoint, meter, postmaster, options, progress });
    } finally {
      await field.close();
    }
  } finally {
    await postgres.stop();
  }
}
