import type { Client, QueryResult } from "pg";
import { codeOf } from "../../src/database/sqlstate.ts";
import { withClient } from "../database/fixture.ts";
import { asAttacker, databaseAt, type Field, type Sql, sqlOf, superuser, type Where } from "./field.ts";
import { type Fingerprint, fingerprint, whatChanged } from "./fingerprint.ts";

export const GROUPS = [
  "reads",
  "writes",
  "definitions",
  "names",
  "roles",
  "row security",
  "files and large objects",
  "extensions and foreign servers",
  "notifications and advisory locks",
  "exhaustion",
  "catalogs",
  "server",
  "code of the attacker",
  "audit",
  "tool role",
  "what the operator reads",
] as const;

/** What came of an attempt: rows, or an error. */
export interface Outcome {
  /** SQLSTATE. */
  code?: string;
  message?: string;
  rows: Record<string, unknown>[];
  /** Rows that were found or changed; null where the statement has no such number. */
  count: number | null;
}

/** What somebody with a tenant's login tries. */
export interface Attempt {
  group: (typeof GROUPS)[number];
  name: string;
  /** The database to connect to; the victim's unless told. */
  where?: Where;
  /** One or more statements, in a transaction that is rolled back; or anything, in `act`. */
  sql?: Sql;
  act?: (field: Field) => Promise<unknown>;
  /** `sql` cannot run in a transaction. */
  alone?: boolean;
  /** SQLSTATEs, one of which it has to end with. Without them it may succeed, and has to be harmless. */
  refused?: string[];
  /** What is wrong after it, beyond what the fingerprints show. */
  harm?: (field: Field, outcome: Outcome) => Promise<string | undefined> | string | undefined;
  /** Run by a superuser before the attempt: a wall that is already down, so that the next one is tried. Takes an attacker of its own. */
  given?: Sql;
  /** It, or its weakness, spoils the attacker: it gets one of its own. */
  spoils?: boolean;
  /** Parts of the fingerprint that it changes in its own right. */
  changes?: (keyof Fingerprint)[];
  /** Run by a superuser before the weakened run: with it the attempt must succeed, or do harm that is noticed. */
  weakness: Sql | "unconfined";
  /** SQLSTATEs that only somebody past the wall gets, where the rest of the way is not there. */
  beyond?: string[];
  /** Where the weakness is; `where` unless told. */
  weaknessAt?: Where;
  /** Run by a superuser after the weakened run, at the same place. */
  after?: Sql;
}

const outcomeOf = (result: QueryResult | QueryResult[]): Outcome => {
  const last = Array.isArray(result) ? result.at(-1) : result;
  return { rows: last?.rows ?? [], count: last?.rowCount ?? null };
};

async function tryStatements(client: Client, sql: string, alone: boolean): Promise<Outcome> {
  if (alone) return outcomeOf(await client.query(sql));
  await client.query("BEGIN");
  try {
    return outcomeOf(await client.query(sql));
  } finally {
    await client.query("ROLLBACK");
  }
}

/** Makes the attempt with the attacker's login. Never throws. */
export async function make(attempt: Attempt, field: Field): Promise<Outcome> {
  const { sql, act, where = "victim", alone = false } = attempt;
  const work = async (): Promise<Outcome> => {
    if (sql) return withClient(asAttacker(field, where), (it) => tryStatements(it, sqlOf(field, sql), alone));
    const result = await act?.(field);
    return { rows: Array.isArray(result) ? result : [], count: null };
  };
  return work().catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    return { code: codeOf(error) ?? "no code", message, rows: [], count: null };
  });
}

/** Lets the attacker's login into the database where the weakness is, as only the tier `Database` needs. */
const admission = (field: Field, where: Where): string =>
  field.tier === "Database" && where !== "own"
    ? `GRANT CONNECT ON DATABASE ${databaseAt(field, where)} TO ${field.b.connection.user};`
    : "";

/** Takes a wall down, as somebody with all rights. */
export async function takeDown(attempt: Attempt, field: Field, wall: Sql): Promise<void> {
  const { where = "victim", weaknessAt = where } = attempt;
  await superuser(field, "operator").query(admission(field, where));
  await superuser(field, weaknessAt).query(sqlOf(field, wall));
}

/** What the attempt broke; undefined: nothing. Makes it. */
export async function harmOf(attempt: Attempt, field: Field): Promise<string | undefined> {
  const before = await fingerprint(field);
  const outcome = await make(attempt, field);
  const harm = await attempt.harm?.(field, outcome);
  return harm ?? whatChanged(before, await fingerprint(field), attempt.changes);
}

/** Whether it got through: no error, and some row where rows count. */
export const succeeded = ({ beyond = [] }: Attempt, { code, count }: Outcome): boolean =>
  code === undefined ? count !== 0 : beyond.includes(code);
