// The operator as far as a password rotation is concerned, in a process of its own: the real steps on the real database; the Secret
// is a directory. It can be told to kill itself (SIGKILL) at one exact moment. Told what to do by one JSON object on standard input.
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { DATABASE_FILES } from "../../src/api/agent-config.ts";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import type { AgentPath } from "../../src/database/password.ts";
import type { DrainLimits } from "../../src/database/rotation/drain.ts";
import { operatorPool } from "../../src/database/session.ts";
import { createTenantDatabase } from "../../src/database/tenants.ts";
import { readSecretFiles } from "../../src/process/secret-files.ts";
import { silentLogger } from "../../src/telemetry/log.ts";

/** Before or after the commit of the n-th transaction that writes, counted from 1, or before or after the Secret is written. */
export interface Moment {
  when: "before" | "after";
  what: "publish" | number;
}

export interface RotatingOrder {
  admin: ConnectionSettings;
  uid: string;
  schema: string;
  /** The mounted Secret. */
  directory: string;
  requested: string;
  limits: DrainLimits;
  agentPath?: AgentPath;
  die?: Moment;
}

const order = JSON.parse(await text(process.stdin)) as RotatingOrder;

function dieIf(when: Moment["when"], what: Moment["what"]): void {
  if (order.die?.when === when && order.die.what === what) process.kill(process.pid, "SIGKILL");
}

let writes = 0;
/** Counts transactions that check the leader's epoch: those write. */
function countingPool(settings: ConnectionSettings, onError: (error: Error) => void): Pool {
  const pool = operatorPool(settings, onError);
  pool.on("connect", (client) => {
    const send = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    let isWrite = false;
    client.query = (async (...args: unknown[]) => {
      if (String(args[0]).includes("agentpg_operator.leader WHERE")) isWrite = true;
      if (args[0] !== "COMMIT" || !isWrite) return send(...args);
      isWrite = false;
      writes++;
      dieIf("before", writes);
      const result = await send(...args);
      dieIf("after", writes);
      return result;
    }) as typeof client.query;
  });
  return pool;
}

async function published(): Promise<{ user: string; password: string } | undefined> {
  const files = await readSecretFiles(order.directory, [DATABASE_FILES.user, DATABASE_FILES.password]);
  const { [DATABASE_FILES.user]: user, [DATABASE_FILES.password]: password } = files;
  return user && password ? { user, password } : undefined;
}

/** All files at once, as the kubelet does. */
async function publish({ user, password, revision }: { user: string; password: string; revision: string }) {
  const { admin, schema, directory } = order;
  const { host, port } = order.agentPath ?? admin;
  const files: Record<string, string> = {
    [DATABASE_FILES.host]: host,
    [DATABASE_FILES.port]: String(port),
    [DATABASE_FILES.database]: admin.database,
    [DATABASE_FILES.user]: user,
    [DATABASE_FILES.password]: password,
    [DATABASE_FILES.sslMode]: admin.tls === "disable" ? "disable" : "verify-full",
    [DATABASE_FILES.ca]: admin.tls === "disable" ? "" : (admin.tls.ca ?? ""),
    [DATABASE_FILES.schema]: schema,
    [DATABASE_FILES.revision]: revision,
    [DATABASE_FILES.pooler]: order.agentPath ? "Transaction" : "None",
  };
  const version = `..${process.pid}-${Date.now()}`;
  await mkdir(join(directory, version), { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, version, name), content);
  dieIf("before", "publish");
  await symlink(version, join(directory, `${version}-link`));
  await rename(join(directory, `${version}-link`), join(directory, "..data"));
  dieIf("after", "publish");
}

const database = await createTenantDatabase({
  admin: order.admin,
  migrationsDir: join(import.meta.dirname, "..", "..", "migrations"),
  clusterUid: "bench",
  logger: silentLogger,
  openPool: countingPool,
});
const epoch = await database.acquireEpoch(`pid ${process.pid}`);
for (let done = false; !done; ) {
  const tenant = await database.find(order.uid);
  if (!tenant) throw new Error("there is no such tenant");
  const seen = await published();
  const result = await database.ensureCredentials(
    {
      tenant,
      published: seen,
      wish: { requested: order.requested, maxAgeDays: 30 },
      limits: order.limits,
      runningPods: async () => [],
      agentPath: order.agentPath,
    },
    epoch,
  );
  const { credentials } = result;
  if (credentials && credentials.password !== seen?.password) await publish(credentials);
  done = !result.again && result.tenant.rotation === undefined;
  if (!result.again && !done) await sleep(50);
}
await database.close();
