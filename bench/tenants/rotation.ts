import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DATABASE_FILES } from "../../src/api/agent-config.ts";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { loginWorks } from "../../src/database/login.ts";
import type { AgentPath } from "../../src/database/password.ts";
import { readSecretFiles } from "../../src/process/secret-files.ts";
import { createTenantDatabase } from "../../src/database/tenants.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { pgBouncerMissing, startPgBouncer, type TestPgBouncer } from "../../test/support/pgbouncer.ts";
import { RotatingPod } from "../../test/support/rotating-pod.ts";
import { startPostgres, type TestPostgres } from "../../test/support/postgres.ts";
import type { Moment, RotatingOrder } from "./rotating-operator.ts";

const PODS = 4;
const QUERIES_PER_SECOND = 200;
/** A pooler's idle connections count as nobody's after a second here: the pods of this benchmark move within milliseconds. */
const LIMITS = { stuckSeconds: 600, graceSeconds: 3_900, quietSeconds: 1, startSeconds: 0 };

/** Before and after each thing that a rotation does for good. It writes four times: open, drain, close, end. */
const MOMENTS: Moment[] = ([1, "publish", 2, 3, 4] as const).flatMap((what) => [
  { when: "before", what },
  { when: "after", what },
]);

export interface RotationBench {
  rotationFailedQueries: number;
  /** After every rotation neither the old password nor any connection of the old login was left. */
  oldPasswordDead: boolean;
  rotations: number;
  rotationKills: number;
  rotationQueries: number;
  rotationQueriesPerSecond: number;
  /** The load went through PgBouncer. */
  rotationThroughPooler: boolean;
}

/**
 * One password rotation for each moment at which the operator can be killed, under load with connections that come and go,
 * through PgBouncer in transaction mode where it can be had.
 */
export async function rotationBench(): Promise<RotationBench> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-rotation-bench-"));
  const missing = await pgBouncerMissing();
  if (missing) console.error(`without PgBouncer: ${missing}`);
  const postgres = await startPostgres();
  const pooler = missing ? undefined : await startPgBouncer({ postgres });
  try {
    return await rotateUnderLoad(postgres, join(folder, "database"), pooler);
  } finally {
    await pooler?.stop();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function rotateUnderLoad(
  postgres: TestPostgres,
  directory: string,
  pooler: TestPgBouncer | undefined,
): Promise<RotationBench> {
  const agentPath = pooler ? { host: postgres.host, port: pooler.port } : undefined;
  const order = await provision(postgres, directory, agentPath);
  await pooler?.serve(order.admin.database);
  await operate({ ...order, requested: "first" });
  const pods = await Promise.all(
    Array.from({ length: PODS }, () => new RotatingPod({ directory, rate: QUERIES_PER_SECOND / PODS }).start()),
  );
  const begun = Date.now();
  let kills = 0;
  let oldPasswordDead = true;
  for (const die of MOMENTS) {
    const old = await mounted(order);
    const requested = `${die.when} ${die.what}`;
    if ((await operate({ ...order, requested, die })) === "SIGKILL") kills++;
    await operate({ ...order, requested });
    oldPasswordDead &&= await isDead(old);
  }
  const seconds = (Date.now() - begun) / 1000;
  await Promise.all(pods.map((it) => it.stop()));
  const failures = pods.flatMap((it) => it.failures);
  for (const failure of failures.slice(0, 5)) console.error(`failed: ${failure}`);
  const queries = pods.reduce((sum, it) => sum + it.queries, 0);
  return {
    rotationFailedQueries: failures.length,
    oldPasswordDead,
    rotations: MOMENTS.length,
    rotationKills: kills,
    rotationQueries: queries,
    rotationQueriesPerSecond: queries / seconds,
    rotationThroughPooler: pooler !== undefined,
  };
}

async function provision(
  postgres: TestPostgres,
  directory: string,
  agentPath: AgentPath | undefined,
): Promise<Omit<RotatingOrder, "requested">> {
  const admin = await postgres.createOperatorRole();
  const migrationsDir = join(import.meta.dirname, "..", "..", "migrations");
  const database = await createTenantDatabase({ admin, migrationsDir, clusterUid: "bench", logger: silentLogger });
  await database.bootstrap();
  const tenant = { uid: "rotation", name: "rotation", namespace: "rotation", connectionLimit: 80 };
  const { names } = await database.ensure(tenant, await database.acquireEpoch("bench"));
  await database.close();
  const order = { admin, uid: tenant.uid, schema: names.schema, directory, limits: LIMITS };
  return agentPath ? { ...order, agentPath } : order;
}

/** Runs the operator until the rotation is over, or it kills itself; how it ended. */
async function operate(order: RotatingOrder): Promise<number | string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "rotating-operator.ts")], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  child.stdin.end(JSON.stringify(order));
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  if (code) throw new Error(`the operator of the rotation failed with code ${code}`);
  return signal ?? 0;
}

/** The login that pods have now, by the operator's own path. */
async function mounted({ admin, directory }: Omit<RotatingOrder, "requested">): Promise<ConnectionSettings> {
  const files = await readSecretFiles(directory, [DATABASE_FILES.user, DATABASE_FILES.password]);
  return { ...admin, user: files[DATABASE_FILES.user] ?? "", password: files[DATABASE_FILES.password] ?? "" };
}

const isDead = async (one: ConnectionSettings): Promise<boolean> =>
  (await loginWorks(one, one.user, one.password)).result !== "ok";

// On its own: node bench/tenants/rotation.ts
if (import.meta.main) console.log(JSON.stringify(await rotationBench()));
