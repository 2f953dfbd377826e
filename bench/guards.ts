// What looking for personal data costs a run: the same agent with it and without it, in turns, on the same Postgres at the same time,
// so that a noisy machine weighs on both. All other guards (tokens, schemas, audit, budget, row security) are always on.
//   npm run bench:guards [-- --rounds 6] [--seconds 6]      the last line is one JSON object
//   --profile DIRECTORY: a .cpuprofile of each agent's process
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { terminalProgress } from "../src/telemetry/progress.ts";
import { Field } from "../test/support/field/field.ts";
import { type CellResult, runCell } from "./runs/cell.ts";
import { openMeter } from "./runs/meter.ts";
import { postmasterOf, startBenchPostgres } from "./runs/server.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "6" },
    seconds: { type: "string", default: "6" },
    profile: { type: "string" },
  },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
  throw new Error("--rounds takes a whole number from 1 to 100");
if (!(seconds >= 1 && seconds <= 60)) throw new Error("--seconds takes a number from 1 to 60");

const CLIENTS = 50;
/** A question of usual length, with numbers that are none of a person's. */
const QUESTION =
  "Our order 4471 of 12 March arrived with two of the five boxes damaged. The invoice says 1,284.50 euros for item A-20 in size 38. " +
  "What can we send back, until when, and who pays for the parcel? Please answer in a sentence or two.";

const progress = terminalProgress(process.stderr, 5_000);
const median = (numbers: number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const cpuOf = ({ cpu }: CellResult): number => cpu.runtime + cpu.postgres;

const postgres = await progress.step("Postgres starts", () => startBenchPostgres());
try {
  const field = await progress.step("the program is bundled", () => Field.create(postgres));
  try {
    const meter = await openMeter(postgres.adminSettings(field.database));
    const endpoint = await field.endpoint({ latencyMs: 0, chunkDelayMs: 0 });
    const postmaster = await postmasterOf(postgres);
    const side = async (pii: "Off" | "Redact") => {
      const tenant = await field.tenant(`guards-${pii.toLowerCase()}-${randomUUID().slice(0, 8)}`);
      const tokens = await Promise.all(Array.from({ length: CLIENTS }, (_, n) => tenant.issuer.token(`user-${n}`)));
      const agent = await field.agent(
        tenant,
        { anthropicBaseUrl: endpoint.url, pii },
        values.profile ? { profile: join(values.profile, pii.toLowerCase()) } : {},
      );
      return { agents: [agent], tenant, tokens, field, endpoint, meter, postmaster };
    };
    const [without, guarded] = [await side("Off"), await side("Redact")];
    const shape = { message: QUESTION, clients: CLIENTS, seconds, warmUpSeconds: 1 };
    const pairs: { without: CellResult; guarded: CellResult }[] = [];
    for (let round = 0; round < rounds; round++) {
      const pair = await progress.step(`round ${round + 1} of ${rounds}`, async () => {
        // Who goes first changes, so that neither always meets the fuller tables.
        const first = round % 2 === 0 ? await runCell(without, shape) : undefined;
        const second = await runCell(guarded, shape);
        return { without: first ?? (await runCell(without, shape)), guarded: second };
      });
      if (round > 0 || rounds === 1) pairs.push(pair); // the first round is what warms both up
      progress.note(`  ${cpuOf(pair.without).toFixed(3)} → ${cpuOf(pair.guarded).toFixed(3)} ms of a processor a run`);
    }
    for (const { child } of [...without.agents, ...guarded.agents]) await child.end(); // by SIGTERM: profiles are written
    const ratio = median(pairs.map((it) => cpuOf(it.guarded) / cpuOf(it.without)));
    const result = {
      guardsCpuRatio: ratio,
      guardsCostPercent: (ratio - 1) * 100,
      guardsThroughputRatio: median(pairs.map((it) => it.guarded.runsPerSecond / it.without.runsPerSecond)),
      cpuMsPerRunWithout: median(pairs.map((it) => cpuOf(it.without))),
      cpuMsPerRunGuarded: median(pairs.map((it) => cpuOf(it.guarded))),
      statementsWithout: median(pairs.map((it) => it.without.statements)),
      statementsGuarded: median(pairs.map((it) => it.guarded.statements)),
      rounds: pairs.length,
    };
    console.log(JSON.stringify(result, (_, it: unknown) => (typeof it === "number" ? Number(it.toFixed(3)) : it)));
  } finally {
    await field.close();
  }
} finally {
  await postgres.stop();
}
