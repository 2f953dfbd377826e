// The tenant boundary at scale: provisioning, resync, a migration over all tenants, and a password rotation under load, on a
// throw-away Postgres. What is measured is the operator's own queue, workers and rollout; only the API server is left out.
//   npm run bench:tenants [-- --tenants 1000] [--skip-rotation]      the last line is one JSON object
import { join } from "node:path";
import { parseArgs } from "node:util";
import { terminalProgress } from "../src/telemetry/progress.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { measureFootprint } from "./tenants/footprint.ts";
import { migrateAll } from "./tenants/migrate.ts";
import { startBenchOperator } from "./tenants/operator.ts";
import { newTenants, provisionAll, resyncAll } from "./tenants/provision.ts";
import { rotationBench } from "./tenants/rotation.ts";
import { openMeter } from "./tenants/statements.ts";

const { values } = parseArgs({
  options: { tenants: { type: "string", default: "1000" }, "skip-rotation": { type: "boolean", default: false } },
});
const count = Number(values.tenants);
if (!Number.isInteger(count) || count < 10) throw new Error("--tenants takes a whole number from 10 on");
const migrationsDir = join(import.meta.dirname, "..", "migrations");
const progress = terminalProgress(process.stderr, 5_000);

async function boundaryBench() {
  const postgres = await progress.step("Postgres starts", () =>
    startPostgres({ settings: { "pg_stat_statements.max": "100000" } }),
  );
  try {
    const admin = await postgres.createOperatorRole();
    const tenants = newTenants(count);
    const operator = await startBenchOperator(admin, migrationsDir, tenants);
    const meter = await openMeter(postgres.adminSettings(admin.database));
    const superuser = postgres.adminSettings(admin.database);
    const provisioned = await measureFootprint(superuser, tenants.requests.size, () =>
      provisionAll(operator, tenants, progress),
    );
    const resynced = await resyncAll(operator, tenants, meter, progress);
    await meter.close();
    const migrated = await migrateAll(operator, tenants, { admin, superuser, migrationsDir, progress });
    return { ...provisioned, ...resynced, ...migrated };
  } finally {
    await postgres.stop();
  }
}

const rounded = (result: object) =>
  JSON.stringify(result, (_, value: unknown) => (typeof value === "number" ? Number(value.toFixed(2)) : value));

const boundary = await boundaryBench();
const rotation = values["skip-rotation"]
  ? {}
  : await progress.step("passwords are rotated under load", () => rotationBench());
console.log(rounded({ ...boundary, ...rotation, tenants: count }));
