// Feeds the parsers of what strangers and models send: tokens, tools' inputs, API bodies.
//   npm run test:fuzz [-- --seed N] [--inputs 1000000]      the last line is one JSON object; exits with 1 after a crash or a hang
import { parseArgs } from "node:util";
import { terminalProgress } from "../../src/telemetry/progress.ts";
import { fuzz } from "./run.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    inputs: { type: "string", default: "1000000" },
  },
});
const found = await fuzz(Number(values.seed), Number(values.inputs), terminalProgress());
console.log(JSON.stringify({ seed: Number(values.seed), ...found }));
process.exitCode = found.crashes.length + found.hangs.length > 0 ? 1 : 0;
