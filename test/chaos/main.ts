// Breaks what can break, at random instants, while 50 runs are in flight, and looks for what was lost or done twice.
//   npm run test:chaos [-- --seed N] [--disturbances 200] [--runs 50] [--only kill,drain]      the last line is one JSON object
// The same seed plans the same disturbances. Exits with 1 when something was lost, stuck, doubled, or too slow to recover.
import { parseArgs } from "node:util";
import { terminalProgress } from "../../src/telemetry/progress.ts";
import { plan } from "./disturbances.ts";
import { ownPath } from "./proxy.ts";
import { MOST_RECOVERY_SECONDS, runChaos } from "./run.ts";
import { startToxiproxy } from "./toxiproxy.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    disturbances: { type: "string", default: "200" },
    runs: { type: "string", default: "50" },
    only: { type: "string" },
  },
});
const whole = (name: "seed" | "disturbances" | "runs") => {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 0) throw new Error(`--${name} takes a whole number`);
  return number;
};
let exitCode = 1;
const progress = terminalProgress(process.stderr, 10_000);
const toxiproxy = await progress
  .step("toxiproxy starts (built the first time: a minute)", () => startToxiproxy())
  .catch((error) => {
    progress.note(`toxiproxy cannot be had, a proxy of our own is used: ${(error as Error).message.split("\n")[0]}`);
    return undefined;
  });
try {
  const result = await runChaos({
    seed: whole("seed"),
    disturbances: plan(whole("disturbances"), whole("seed"), values.only?.split(",")),
    runsInFlight: whole("runs"),
    meanMs: 900,
    pods: 2,
    path: toxiproxy ? (name, port) => toxiproxy.path(name, port) : (_, port) => ownPath(port),
    progress,
  });
  for (const detail of [...result.details, ...result.complaints]) progress.note(detail);
  console.log(JSON.stringify({ ...result, seed: whole("seed"), cutsBy: toxiproxy ? "toxiproxy" : "own proxy" }));
  const { runsLost, runsStuck, messagesDuplicated, nonIdempotentTwice, refusedByApi, recoverySecondsMax } = result;
  const bad = runsLost + runsStuck + messagesDuplicated + nonIdempotentTwice + refusedByApi;
  exitCode = bad > 0 || recoverySecondsMax > MOST_RECOVERY_SECONDS ? 1 : 0;
} finally {
  await toxiproxy?.close();
}
// Said aloud: the Postgres package has a hook at the end of the process that makes it 0.
process.exit(exitCode);
