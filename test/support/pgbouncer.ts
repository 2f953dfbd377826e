import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { cacheFolder, exists, wholeFolder } from "../../src/local-cluster/cache.ts";
import { unpackPackages } from "../../src/local-cluster/debian.ts";
import { run } from "../../src/local-cluster/run.ts";
import { run as sql } from "../database/fixture.ts";
import { eventually } from "./eventually.ts";
import { serverUser } from "./data-directory.ts";
import { freePort, type PostgresAccess } from "./postgres.ts";

export interface PgBouncerOptions {
  postgres: PostgresAccess;
  /** More settings of PgBouncer, over those below. */
  settings?: Record<string, string | number>;
}

export interface TestPgBouncer {
  port: number;
  /** The same login through PgBouncer. Lets PgBouncer look passwords up in that database first. */
  connection(settings: ConnectionSettings): Promise<ConnectionSettings>;
  /** Lets PgBouncer look passwords up in this database. Before 1.19 it does so in the database that a client asks for. */
  serve(database: string): Promise<void>;
  /** What it wrote. */
  log(): string;
  /** Reads its files again (SIGHUP). */
  reload(): void;
  /** Breaks all connections and listens again on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Libraries that a bare Debian does not have; the others come with apt itself. Their names differ between releases. */
const LIBRARY = /^\s*\|?Depends: (lib(?:event|c-?ares|ssl|ldap)\S*)$/gm;

/** Debian's PgBouncer and its libraries, unpacked once into the cache, not installed. */
async function unpacked(): Promise<string> {
  return wholeFolder(join(cacheFolder(), "pgbouncer"), async (folder) => {
    // A new machine has no package lists yet.
    const ask = () => run("apt-cache", ["depends", "pgbouncer"]);
    const depends = await ask().catch(() => run("apt-get", ["update", "-qq"]).then(ask));
    const libraries = [...depends.matchAll(LIBRARY)].map(([, name]) => name as string);
    await unpackPackages(["pgbouncer", ...libraries], folder);
  });
}

/** Why PgBouncer cannot be had on this machine; undefined: it can. */
export async function pgBouncerMissing(): Promise<string | undefined> {
  if (!(await exists("/etc/debian_version"))) return "needs Debian's package of PgBouncer, so a Debian-like system";
  return unpacked().then(
    () => undefined,
    (error: Error) => `needs Debian's package of PgBouncer, which could not be fetched: ${error.message}`,
  );
}

/** Stops it and deletes its files once this process is gone, however it went (kill -9 included). */
function cleanUpAfterDeath(folder: string): () => void {
  const script = `read _; pid=$(cat "$1/pgbouncer.pid" 2>/dev/null) && kill -TERM "$pid" && while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"`;
  const child = spawn("sh", ["-c", script, "sh", folder], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return () => child.stdin.end();
}

const AUTH_USER = "pgbouncer_auth";

/** As PgBouncer's documentation has it: a function of the superuser that only PgBouncer's own login may call. */
const lookup = (database: string) => `
  CREATE SCHEMA IF NOT EXISTS pgbouncer;
  CREATE OR REPLACE FUNCTION pgbouncer.get_auth(wanted text, OUT name text, OUT verifier text) RETURNS record
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT usename::text, passwd FROM pg_shadow
          WHERE usename = wanted AND NOT usesuper AND (valuntil IS NULL OR valuntil > now()) $$;
  REVOKE ALL ON SCHEMA pgbouncer FROM PUBLIC;
  REVOKE ALL ON FUNCTION pgbouncer.get_auth(text) FROM PUBLIC;
  GRANT CONNECT ON DATABASE "${database}" TO ${AUTH_USER};
  GRANT USAGE ON SCHEMA pgbouncer TO ${AUTH_USER};
  GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(text) TO ${AUTH_USER};`;

const configuration = (folder: string, port: number, { postgres, settings }: PgBouncerOptions) => {
  const all = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    pidfile: join(folder, "pgbouncer.pid"),
    pool_mode: "transaction",
    default_pool_size: 5,
    max_client_conn: 1000,
    auth_type: "scram-sha-256",
    auth_file: join(folder, "users.txt"),
    auth_user: AUTH_USER,
    auth_query: "SELECT name, verifier FROM pgbouncer.get_auth($1)",
    client_tls_sslmode: "require",
    client_tls_cert_file: join(folder, "tls.crt"),
    client_tls_key_file: join(folder, "tls.key"),
    server_tls_sslmode: "verify-full",
    server_tls_ca_file: join(folder, "ca.crt"),
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  return `[databases]\n* = host=${postgres.host} port=${postgres.port}\n[pgbouncer]\n${lines.join("\n")}\n`;
};

/** PgBouncer runs as another user, who may not be let into the cache: it gets a copy of what it needs. */
async function prepareFolder(port: number, options: PgBouncerOptions, password: string): Promise<string> {
  const cache = await unpacked();
  const folder = await mkdtemp(join(tmpdir(), "agentpg-pgbouncer-"));
  const { certificate, ca } = options.postgres;
  await cp(join(cache, "root", "usr"), join(folder, "usr"), { recursive: true, verbatimSymlinks: true });
  const files = {
    "pgbouncer.ini": configuration(folder, port, options),
    "users.txt": `"${AUTH_USER}" "${password}"\n`,
    "tls.crt": certificate.cert,
    "tls.key": certificate.key,
    "ca.crt": ca,
  };
  const user = serverUser();
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    if (user) await chown(join(folder, name), user.uid, user.gid);
  }
  await chmod(folder, 0o755);
  if (user) await chown(folder, user.uid, user.gid);
  return folder;
}

/** The login with which PgBouncer looks up others. One for the server: several PgBouncers share it, and its password. */
async function authPassword(postgres: PostgresAccess): Promise<string> {
  const password = `auth-${postgres.adminPassword}`;
  await sql(
    postgres.adminSettings(),
    `DO $$ BEGIN CREATE ROLE ${AUTH_USER} LOGIN PASSWORD '${password}'; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`,
  );
  return password;
}

/**
 * Debian's PgBouncer in front of the server: transaction pooling, TLS to both sides with the server's CA, SCRAM, passwords
 * looked up with `auth_query`. Only where {@link pgBouncerMissing} gives nothing. Call `stop()` when done; if this process
 * dies before that, it goes all the same.
 */
export async function startPgBouncer(options: PgBouncerOptions): Promise<TestPgBouncer> {
  const { postgres } = options;
  const port = await freePort();
  const folder = await prepareFolder(port, options, await authPassword(postgres));
  const discard = cleanUpAfterDeath(folder);
  let log = "";
  let child: ChildProcess | undefined;
  const start = async () => {
    const started = await launch(folder, (text) => (log = (log + text).slice(-100_000)));
    child = started;
    await eventually(
      async () => ({ up: /process up/.test(log), ended: started.exitCode, log }),
      (it) => it.up && it.ended === null,
    );
  };
  const end = async () => {
    if (child && child.exitCode === null && child.kill("SIGTERM")) await once(child, "exit");
    log = "";
  };
  const serve = (database: string) =>
    sql(postgres.adminSettings(database), lookup(database)).then(
      () => {},
      (error: Error) => Promise.reject(new Error(`preparing ${database} for PgBouncer: ${error.message}`)),
    );
  const stop = async () => {
    await end();
    await rm(folder, { recursive: true, force: true });
    discard();
  };
  await start().catch(async (error) => {
    await stop();
    throw error;
  });
  return {
    port,
    serve,
    async connection(settings) {
      await serve(settings.database);
      return { ...settings, port };
    },
    log: () => log,
    reload: () => void child?.kill("SIGHUP"),
    async restart() {
      await end();
      await start();
    },
    stop,
  };
}

async function launch(folder: string, heard: (text: string) => void): Promise<ChildProcess> {
  const [architecture = ""] = (await readdir(join(folder, "usr", "lib"))).filter((it) => it.endsWith("-linux-gnu"));
  const child = spawn(join(folder, "usr", "sbin", "pgbouncer"), [join(folder, "pgbouncer.ini")], {
    ...serverUser(),
    cwd: folder,
    env: { LD_LIBRARY_PATH: join(folder, "usr", "lib", architecture) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.on("error", (error) => heard(`\n${error.message}\n`));
  child.stdout?.on("data", (text) => heard(String(text)));
  child.stderr?.on("data", (text) => heard(String(text)));
  return child;
}
