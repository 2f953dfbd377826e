// Kills the operator at random instants while Tenants and Agents are created, changed and deleted, and holds what is in the cluster and in
// Postgres at the end against what a quiet run of the same script leaves.
//   npm run test:operator-crash [-- --seed N] [--kills 500] [--tenants 50] [--agents 200]      the last line is one JSON object
// Exits with 1 when anything differs. The same seed plans the same script; where a kill hits is up to the machine.
import { parseArgs } from "node:util";
import { terminalProgress } from "../../../src/telemetry/progress.ts";
import { runCrash } from "./run.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    kills: { type: "string", default: "500" },
    tenants: { type: "string", default: "50" },
    agents: { type: "string", default: "200" },
  },
});
const whole = (name: keyof typeof values) => {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} takes a whole number from 1 on`);
  return number;
};
const began = performance.now();
const size = { kills: whole("kills"), tenants: whole("tenants"), agents: whole("agents"), seed: whole("seed") };
const progress = terminalProgress(process.stderr, 10_000);
const result = await runCrash({ ...size, progress });
for (const difference of result.differences) progress.note(difference);
const seconds = Math.round((performance.now() - began) / 1000);
console.log(JSON.stringify({ ...result, differences: result.differences.length, seconds, seed: size.seed }));
// Said aloud: the Postgres package has a hook at the end of the process that makes it 0.
process.exit(result.differences.length > 0 ? 1 : 0);
