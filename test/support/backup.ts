import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/local-cluster/run.ts";
import type { TestPostgres } from "./postgres.ts";

/** What the server's data was at one moment. */
export interface Backup {
  /** Stops the server, puts the data back as it was, and starts it. */
  restore(): Promise<void>;
  discard(): Promise<void>;
}

/** A cold backup: the server is stopped, its data directory copied, owners and modes kept, and it is started again. */
export async function backUp(postgres: TestPostgres): Promise<Backup> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-backup-"));
  const copy = join(folder, "data");
  await postgres.halt();
  await run("cp", ["-a", postgres.dataDirectory, copy]);
  await postgres.restart();
  return {
    async restore() {
      await postgres.halt();
      await rm(postgres.dataDirectory, { recursive: true });
      await run("cp", ["-a", copy, postgres.dataDirectory]);
      await postgres.restart();
    },
    discard: () => rm(folder, { recursive: true, force: true }),
  };
}
