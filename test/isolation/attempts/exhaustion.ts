import { startPostgres } from "../../support/postgres.ts";
import { deadline } from "../deadline.ts";
import { codeOfFailure, held, run } from "../../database/fixture.ts";
import type { Attempt } from "../attempt.ts";
import { asAttacker, type Field } from "../field.ts";
import { aSuperuser, DENIED, maySet, mayExecute, opened, operatorsOpened, withAttribute } from "./weaknesses.ts";

/** Beyond the limit of both logins together. */
const CROWD = 14;

/** Whether the victim and the operator still get their work done. */
async function othersWork({ a, leader }: Field): Promise<string | undefined> {
  const victim = await codeOfFailure(run(a.connection, `SELECT count(*) FROM ${a.names.schema}.sessions`));
  const operator = await codeOfFailure(leader.database.ensure(a.request, leader.epoch));
  return victim === "no error" && operator === "no error" ? undefined : `victim: ${victim}, operator: ${operator}`;
}

async function crowd(field: Field): Promise<{ open: number }[]> {
  const tries = await Promise.all(
    Array.from({ length: CROWD }, () => held(asAttacker(field, "own")).catch(() => undefined)),
  );
  const open = tries.filter((it) => it !== undefined);
  const others = await othersWork(field);
  await Promise.all(open.map((it) => it.close()));
  if (others) throw new Error(others);
  return [{ open: open.length }];
}

/** Locks on its own tables, time-outs turned off, and never a commit. */
async function sitOnLocks(field: Field): Promise<void> {
  const { names, request } = field.b;
  const sitting = await held(asAttacker(field, "own"));
  await sitting.client.query(
    `SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 0; BEGIN;
     LOCK TABLE ${names.schema}.sessions, ${names.schema}.runs, ${names.schema}.workers IN ACCESS EXCLUSIVE MODE`,
  );
  try {
    const { database, epoch } = field.leader;
    await deadline(database.deprovision(request, "Delete", epoch), 30_000);
  } finally {
    await sitting.close().catch(() => {});
  }
}

/** All that it can lock, held while the operator looks at the victim. */
async function lockEverything(field: Field): Promise<void> {
  const sitting = await held(asAttacker(field, "operator")).catch(() => held(asAttacker(field, "own")));
  try {
    await sitting.client.query("BEGIN; LOCK TABLE agentpg_operator.tenant IN ACCESS EXCLUSIVE MODE").catch(() => {});
    const { database, epoch } = field.leader;
    await deadline(database.ensure(field.a.request, epoch), 3_000);
  } finally {
    await sitting.close();
  }
}

/** A server that keeps prepared transactions, as none should; in the weakened run only. */
async function prepare(field: Field): Promise<void> {
  const statements = "BEGIN; SELECT 1; PREPARE TRANSACTION 'mine'";
  if (!field.unconfined) return void (await run(asAttacker(field, "own"), statements));
  const lax = await startPostgres({ settings: { max_prepared_transactions: "2" } });
  try {
    const someone = await lax.createOperatorRole();
    await run(someone, statements);
    const kept = await run(lax.adminSettings(), "SELECT FROM pg_prepared_xacts WHERE owner = $1", [someone.user]);
    if (kept.length !== 1) throw new Error("no transaction was kept");
  } finally {
    await lax.stop();
  }
}

export const exhaustion: Attempt[] = [
  {
    group: "exhaustion",
    name: "lock the registry while the operator works on the victim",
    where: "operator",
    act: lockEverything,
    harm: (_field, { message }) => message,
    weakness: operatorsOpened("tenant", "UPDATE"),
  },
  {
    group: "exhaustion",
    name: "keep a prepared transaction, whose locks outlive its login",
    where: "own",
    act: prepare,
    refused: ["55000"],
    weakness: "unconfined",
  },
  {
    group: "exhaustion",
    name: "open connections until nobody else gets one",
    where: "own",
    act: crowd,
    harm: (field, { rows, message }) => {
      const open = Number(rows[0]?.["open"]);
      return open <= field.b.request.connectionLimit ? undefined : (message ?? `${open} connections`);
    },
    weakness: withAttribute("CONNECTION LIMIT -1"),
  },
  {
    group: "exhaustion",
    name: "turn its time-outs off and sit on locks when the operator deletes it",
    where: "own",
    spoils: true,
    act: sitOnLocks,
    harm: (_field, { message }) => message,
    // The operator is no superuser and cannot end a superuser's connection.
    weakness: aSuperuser,
    // Not over a connection to the attacker's database, which would keep it from being dropped.
    weaknessAt: "operator",
    changes: ["registry", "roles"],
  },
  {
    group: "exhaustion",
    name: "lock the victim's tables",
    sql: (v) => `LOCK TABLE ${v.schema}.sessions IN ACCESS EXCLUSIVE MODE`,
    refused: [DENIED],
    weakness: opened("sessions", "UPDATE"),
  },
  {
    group: "exhaustion",
    name: "lock the operator's tables",
    where: "operator",
    sql: () => "LOCK TABLE agentpg_operator.tenant IN ACCESS SHARE MODE",
    refused: [DENIED],
    weakness: (_v, me) =>
      `GRANT USAGE ON SCHEMA agentpg_operator TO ${me.login}; GRANT SELECT ON agentpg_operator.tenant TO ${me.login}`,
  },
  {
    group: "exhaustion",
    name: "lock a catalog of all tenants",
    sql: () => "LOCK TABLE pg_authid IN ACCESS SHARE MODE",
    refused: [DENIED],
    weakness: (_v, me) => `GRANT SELECT ON pg_authid TO ${me.login}`,
  },
  {
    group: "exhaustion",
    name: "fill the lock table of a hardened server with advisory locks",
    where: "own",
    sql: () => "SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 1000) n; SELECT pg_advisory_unlock_all()",
    refused: [DENIED],
    weakness: (...n) =>
      [mayExecute("pg_advisory_lock(bigint)")(...n), mayExecute("pg_advisory_unlock_all()")(...n)].join(";"),
  },
  {
    group: "exhaustion",
    name: "fill the disk with temporary files, on a hardened server",
    where: "own",
    sql: () =>
      "SET LOCAL work_mem = '64kB'; SELECT count(*) FROM (SELECT n FROM generate_series(1, 150000) n ORDER BY md5(n::text)) it",
    refused: ["53400"],
    weakness: (_v, me) => `ALTER ROLE ${me.login} SET temp_file_limit = -1`,
  },
  {
    group: "exhaustion",
    name: "lift the limit on temporary files",
    where: "own",
    sql: () => "SET LOCAL temp_file_limit = -1",
    refused: [DENIED],
    weakness: maySet("temp_file_limit"),
  },
];
