// How many runs an agent answers, against the least SQL that they need on the same Postgres: the real program behind real HTTP
// with every guard on, a simulated Messages API and the callers each a process of their own.
//   npm run bench:runs [-- --seconds 15] [--quick] [--statements]      the last line is one JSON object
//   --quick: only the cells without a slow model, 10 s each      --processes 1,2: with how many processes of the agent
//   --pii Off: personal data is not looked for (Redact by default)
//   --statements: also which statements and log records a run costs     --profile DIRECTORY: a .cpuprofile of each process
import { parseArgs } from "node:util";
import { agentConfig } from "../src/api/agent-config.ts";
import { terminalProgress } from "../src/telemetry/progress.ts";
import { measureRuns } from "./runs/measure.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string" },
    quick: { type: "boolean", default: false },
    statements: { type: "boolean", default: false },
    profile: { type: "string" },
    processes: { type: "string", default: "1,2" },
    pii: { type: "string", default: "Redact" },
  },
});
const seconds = Number(values.seconds ?? (values.quick ? 10 : 15));
if (!(seconds >= 1 && seconds <= 600)) throw new Error("--seconds takes a number from 1 to 600");
const processes = values.processes.split(",").map(Number);
if (!processes.every((it) => Number.isInteger(it) && it >= 1 && it <= 8))
  throw new Error("--processes takes numbers from 1 to 8, with commas between");

const pii = agentConfig.shape.pii.parse(values.pii);

const progress = terminalProgress(process.stderr, 5_000);
const { quick, statements, profile } = values;
const result = await measureRuns({ seconds, quick, statements, profile, processes, pii }, progress);
console.log(
  JSON.stringify(result, (_, value: unknown) => (typeof value === "number" ? Number(value.toFixed(3)) : value)),
);
