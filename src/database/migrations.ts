import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseNewerThanProgram, MigrationChanged } from "./errors.ts";

export interface Migration {
  /** From 1, without gaps. */
  version: number;
  name: string;
  /** sha256 of the file, hex. */
  checksum: string;
  sql: string;
}

export interface AppliedMigration {
  version: number;
  checksum: string;
}

/** Whether a schema that is behind may be migrated now; asked only of schemas that were migrated before. Must not throw. */
export type MigrationGate = (schema: { id: string; from: number; to: number }) => boolean;

const FILE = /^(\d{4})_([a-z0-9_]+)\.sql$/;

/**
 * Reads `NNNN_name.sql` files, in order.
 * @throws MigrationChanged if a file is named otherwise, or a number is missing or there twice
 */
export async function loadMigrations(directory: string): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith(".sql")).sort();
  return Promise.all(
    files.map(async (file, index) => {
      const [, number, name] = FILE.exec(file) ?? [];
      if (name === undefined || Number(number) !== index + 1) {
        throw new MigrationChanged(
          `migration file ${file} is out of order: files are named 0001_name.sql, 0002_name.sql, … without gaps; ${String(index + 1).padStart(4, "0")} was expected`,
        );
      }
      const sql = await readFile(join(directory, file), "utf8");
      return { version: index + 1, name, checksum: createHash("sha256").update(sql).digest("hex"), sql };
    }),
  );
}

/**
 * The migrations that a schema still lacks. Pure.
 * @throws DatabaseNewerThanProgram if it has one that this program does not know
 * @throws MigrationChanged if what was applied is not what the program has under that number
 */
export function pendingMigrations(
  applied: readonly AppliedMigration[],
  known: readonly Migration[],
  where: string,
): Migration[] {
  const current = Math.max(0, ...applied.map((it) => it.version));
  if (current > known.length) {
    throw new DatabaseNewerThanProgram(
      `schema ${where} is at migration ${current}, this program knows ${known.length}: run a version of AgentPG that is as new as the one that migrated it`,
    );
  }
  for (const { version, checksum } of applied) {
    const migration = known[version - 1];
    if (migration?.checksum === checksum) continue;
    throw new MigrationChanged(
      `migration ${version} (${migration?.name}) in schema ${where} was applied from another file: restore the file as it was and put the change into a new migration`,
    );
  }
  return known.slice(current);
}
