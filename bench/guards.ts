// What looking for personal data costs a run: the same agent with it and without it, at the same time on the same
// Postgres, so that a noisy machine weighs on both alike. All other guards (tokens, schemas, audit, budget, row security) are always on.
//   npm run bench:guards [-- --rounds 8] [--seconds 6]      the last line is one JSON object
//   --profile DIRECTORY: a .cpuprofile of each agent's process
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { terminalProgress } from "../src/telemetry/progress.ts";
import { Field } from "../test/support/field/field.ts";
import { type CellResult, runCell } from "./runs/cell.ts";
import { openMeter } from "./runs/meter.ts";
import { postmasterOf, startBenchPostgres } from "./runs/server.ts";
import { median } from "./median.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "8" },
    seconds: { type: "string", default: "6" },
    profile: { type: "string" },
  },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
  throw new Error("--rounds takes a whole number from 1 to 100");
if (!(seconds >= 1 && seconds <= 60)) throw new Error("--seconds takes a number from 1 to 60");

const CLIENTS = 25;
/** The same load for both, about half of what they could take: as fast as it can, the slower one shares less work among its runs. */
const EVERY_MS = 100;
/** A question of usual length, with numbers that are none of a person's. */
const QUESTION =
  "Our order 4471 of 12 March arrived with two of the five boxes damaged. The invoice says 1,284.50 euros for item A-20 in size 38. " +
  "What can we send back, until when, and who pays for the parcel? Please answer in a sentence or two.";

const progress = terminalProgress(process.stderr, 5_000);

function costOf(pairs: { without: CellResult; guarded: CellResult }[]) {
  const of = (read: (pair: (typeof pairs)[number]) => number): number => median(pairs.map(read));
  // Of Postgres both used what they used together.
  const postgresMs = of(({ without, guarded }) => {
    const runs = without.runs + guarded.runs;
    return (without.cpu.postgres * without.runs + guarded.cpu.postgres * guarded.runs) / 2 / runs;
  });
  const withoutMs = of((it) => it.without.cpu.runtime) + postgresMs;
  const guardsMs = of((it) => it.guarded.cpu.runtime - it.without.cpu.runtime);
  return {
    costPercent: (guardsMs / withoutMs) * 100,
    guardsMs,
    withoutMs,
    throughputRatio: of((it) => it.guarded.runsPerSecond / it.without.runsPerSecond),
    statementsWithout: of((it) => it.without.statements),
    statementsGuarded: of((it) => it.guarded.statements),
  };
}

const postgres = await progress.step("Postgres starts", () => startBenchPostgres());
try {
  const field = await progress.step("the program is bundled", () => Field.create(postgres));
  try {
    const meter = await openMeter(postgres.adminSettings(field.database));
    const endpoint = await field.endpoint({ latencyMs: 0, chunkDelayMs: 0 });
    const postmaster = await postmasterOf(postgres);
    const cell = async (pii: "Off" | "Redact", everyMs: number | undefined): Promise<CellResult> => {
      const tenant = await field.tenant(`guards-${pii.toLowerCase()}-${randomUUID().slice(0, 8)}`);
      const tokens = await Promise.all(Array.from({ length: CLIENTS }, (_, n) => tenant.issuer.token(`user-${n}`)));
      const change = { anthropicBaseUrl: endpoint.url, pii };
      const profile = values.profile ? { profile: join(values.profile, pii.toLowerCase()) } : {};
      const agent = await field.agent(tenant, change, profile);
      const parts = { agents: [agent], tenant, tokens, field, endpoint, meter, postmaster };
      try {
        const pace = everyMs === undefined ? {} : { everyMs };
        return await runCell(parts, { message: QUESTION, clients: CLIENTS, seconds, warmUpSeconds: 4, ...pace });
      } finally {
        await agent.child.end(); // by SIGTERM: a profile is written
      }
    };
    const compare = async (title: string, everyMs: number | undefined) => {
      const pairs: { without: CellResult; guarded: CellResult }[] = [];
      for (let round = 0; round < rounds; round++) {
        // Processes and tables of their own each time: how one process fares is partly luck.
        const [without, guarded] = await progress.step(`${title}, round ${round + 1} of ${rounds}`, () =>
          Promise.all([cell("Off", everyMs), cell("Redact", everyMs)]),
        );
        pairs.push({ without, guarded });
        const shown = [without, guarded].map((it) => it.cpu.runtime.toFixed(3)).join(" → ");
        progress.note(`  ${shown} ms of a processor a run, in the agent`);
      }
      return costOf(pairs);
    };
    const even = await compare("the same load", EVERY_MS);
    const full = await compare("as fast as they can", undefined);
    const result = {
      guardsCostPercent: even.costPercent,
      guardsCpuMsPerRun: even.guardsMs,
      cpuMsPerRunWithout: even.withoutMs,
      saturatedCostPercent: full.costPercent,
      saturatedCpuMsPerRunWithout: full.withoutMs,
      saturatedThroughputRatio: full.throughputRatio,
      statementsWithout: even.statementsWithout,
      statementsGuarded: even.statementsGuarded,
      rounds,
    };
    console.log(JSON.stringify(result, (_, it: unknown) => (typeof it === "number" ? Number(it.toFixed(3)) : it)));
  } finally {
    await field.close();
  }
} finally {
  await postgres.stop();
}
