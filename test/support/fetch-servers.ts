import { ensureDataDirectory } from "./data-directory.ts";
import { olderPostgresMissing, olderPostgresPackage } from "./older-postgres.ts";
import { pgBouncerMissing } from "./pgbouncer.ts";

/** Before the suite, in one process: two test files at once would fetch the same things, and apt takes one caller at a time. */
export async function setup(): Promise<void> {
  // Why something cannot be had is said by the tests that are skipped for it.
  await pgBouncerMissing();
  await ensureDataDirectory();
  if (!olderPostgresMissing) await olderPostgresPackage().catch(() => {});
}
