import type { Client } from "pg";
import { eventually } from "./eventually.ts";

/** Any number that nobody else locks. */
const LOCK = 20_260_401;

/**
 * Holds up the transaction that is about to change a row so that `when` is true (OLD and NEW are the row), in the server itself.
 * @param superuser a connection of its own
 */
export async function holdUp(superuser: Client, table: string, when: string) {
  await superuser.query("SELECT pg_advisory_lock($1)", [LOCK]);
  await superuser.query(
    `CREATE OR REPLACE FUNCTION public.test_gate() RETURNS trigger LANGUAGE plpgsql AS
       'BEGIN PERFORM pg_advisory_xact_lock(${LOCK}); RETURN NEW; END';
     CREATE TRIGGER test_gate BEFORE UPDATE ON ${table} FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION public.test_gate()`,
  );
  return {
    /** Until a transaction stands there. */
    reached: () =>
      eventually(
        async () =>
          (
            await superuser.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted", [
              LOCK,
            ])
          ).rowCount,
        (waiting) => waiting === 1,
        30,
        5,
      ),
    /** Lets it go on, if there is still somebody who could. */
    async open() {
      await superuser.query("SELECT pg_advisory_unlock($1)", [LOCK]);
      await superuser.query(`DROP TRIGGER test_gate ON ${table}`);
    },
  };
}
