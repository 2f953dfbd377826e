// Many tenants at once, more runs than anyone can work on at that moment, and a Messages API that keeps saying 429 and 529: who
// finishes, how fair it is, and what it costs in memory. Each tenant has its own schema, login and process, as in a cluster.
//   npm run bench:flood [-- --tenants 51] [--runs 100]      the last line is one JSON object
import { parseArgs } from "node:util";
import { terminalProgress } from "../src/telemetry/progress.ts";
import { measureFlood } from "./flood/measure.ts";

const { values } = parseArgs({
  options: { tenants: { type: "string", default: "51" }, runs: { type: "string", default: "100" } },
});
const [tenants, runsPerTenant] = [Number(values.tenants), Number(values.runs)];
for (const [name, number] of Object.entries({ tenants, runs: runsPerTenant }))
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} takes a whole number from 1 on`);

const result = await measureFlood({ tenants, runsPerTenant }, terminalProgress(process.stderr, 5_000));
console.log(
  JSON.stringify(result, (_, value: unknown) => (typeof value === "number" ? Number(value.toFixed(3)) : value)),
);
