import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { appendAuditLine } from "../../src/database/runs/append-audit-line.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { closeDatabases } from "./fixture.ts";
import { aConversation, aTenantWithTables, auditOf, daysAgo, idAt, type TestTenant } from "./lifecycle-fixture.ts";

const never = new AbortController().signal;
let postgres: TestPostgres;
let tenant: TestTenant;

const verify = (from: "start" | "anchor" = "start", more: object = {}) =>
  tenant.database.lifecycle.verifyAudit({ uid: tenant.uid }, tenant.epoch, { from, signal: never, ...more });
const faultsOf = async (from?: "start" | "anchor", more?: object) =>
  (await verify(from, more)).faults.map((it) => it.fault);
const append = async (count: number) => {
  for (let i = 0; i < count; i++) await appendAuditLine(tenant.db, auditOf("eve", idAt(new Date()), "tool.called"));
};
/** The log is put aside, and back, by a superuser. */
const keep = () =>
  tenant.sql(
    `DROP TABLE IF EXISTS audit_kept, head_kept, lifecycle_kept; CREATE TABLE audit_kept AS TABLE audit;
     CREATE TABLE head_kept AS TABLE audit_head; CREATE TABLE lifecycle_kept AS TABLE lifecycle`,
  );
const restore = () =>
  tenant.sql(
    `TRUNCATE audit; INSERT INTO audit SELECT * FROM audit_kept;
     UPDATE audit_head h SET seq = k.seq, hash = k.hash FROM head_kept k;
     UPDATE lifecycle l SET audit_start_seq = k.audit_start_seq, audit_start_hash = k.audit_start_hash FROM lifecycle_kept k`,
  );
/** All rows after `seq` again as somebody would write them who knows how the chain is made, with other texts; and the head. */
const REWRITE = `DO $$ DECLARE h bytea; r record; last bigint; BEGIN
    SELECT hash, seq INTO h, last FROM audit WHERE seq = $SEQ;
    FOR r IN SELECT seq, record FROM audit WHERE seq > $SEQ ORDER BY seq LOOP
      UPDATE audit SET prev_hash = h, hash = sha256(h || convert_to(replace(r.record, 'run.', 'job.'), 'UTF8')),
        record = replace(r.record, 'run.', 'job.') WHERE seq = r.seq RETURNING hash, seq INTO h, last;
    END LOOP;
    UPDATE audit_head SET seq = last, hash = h;
  END $$`;

/** A log that retention has cut at the front, with an erased person in it, verified once. */
beforeAll(async () => {
  postgres = await startPostgres();
  tenant = await aTenantWithTables(postgres);
  for (const user of ["old", "older"]) await aConversation(tenant, { user, at: daysAgo(400) });
  for (const user of ["ann", "bob", "ann", "cid", "dan"]) await aConversation(tenant, { user });
  const { lifecycle } = tenant.database;
  const policy = { sessionDays: 90, archiveDays: 30, auditDays: 365 };
  await lifecycle.applyRetention({ uid: tenant.uid }, policy, tenant.epoch, never);
  const request = { uid: tenant.uid, subject: { user: "bob" }, by: "jane", waitMs: 0 };
  await lifecycle.erase(request, tenant.epoch, never, async () => {});
  await append(3);
});
afterAll(async () => {
  await tenant?.db.close();
  await closeDatabases();
  await postgres?.stop();
});

test("a log that was cut by retention, and has an erased person in it, is whole", async () => {
  const first = await verify();
  expect(first).toMatchObject({ faults: [], faultCount: 0, anchor: null, start: { seq: 4 } });
  expect(first.rows).toBe(first.head.seq - first.start.seq);
  const second = await verify("anchor");
  expect(second).toMatchObject({ rows: 0, faults: [], anchor: { seq: first.head.seq, hash: first.head.hash } });
  await append(2);
  expect(await verify("anchor")).toMatchObject({ rows: 2, faults: [] });
});

const seqs = async () => {
  const rows = await tenant.sql<{ seq: number; erased: boolean }>(
    `SELECT seq::int, record LIKE '{"erased"%' AS erased FROM audit ORDER BY seq`,
  );
  return rows;
};

type Mutation = [name: string, sql: (row: number, other: number, last: number) => string];
const MUTATIONS: Mutation[] = [
  ["the text", (it) => `UPDATE audit SET record = overlay(record placing 'X' from 12) WHERE seq = ${it}`],
  ["all of the text", (it) => `UPDATE audit SET record = '{}' WHERE seq = ${it}`],
  [
    "a blank in the text",
    (it) => `UPDATE audit SET record = record || ' ' WHERE seq = ${it} AND record NOT LIKE '{"erased"%';
     UPDATE audit SET record = ' ' || record WHERE seq = ${it} AND record LIKE '{"erased"%'`,
  ],
  ["the time", (it) => `UPDATE audit SET at = at - interval '1 microsecond' WHERE seq = ${it}`],
  ["the time by years", (it) => `UPDATE audit SET at = at - interval '9 years' WHERE seq = ${it}`],
  ["the time to none", (it) => `UPDATE audit SET at = '-infinity' WHERE seq = ${it}`],
  ["the hash", (it) => `UPDATE audit SET hash = set_byte(hash, 7, (get_byte(hash, 7) + 1) % 256) WHERE seq = ${it}`],
  ["the hash's length", (it) => `UPDATE audit SET hash = hash || '\\x00' WHERE seq = ${it}`],
  [
    "the hash before",
    (it) => `UPDATE audit SET prev_hash = set_byte(prev_hash, 0, (get_byte(prev_hash, 0) + 1) % 256) WHERE seq = ${it}`,
  ],
  ["the number", (it, _o, last) => `UPDATE audit SET seq = ${last + 7} WHERE seq = ${it}`],
  [
    "text and hash together",
    (it) => `UPDATE audit SET record = '{}', hash = sha256(prev_hash || '{}') WHERE seq = ${it}`,
  ],
  ["removes a row", (it) => `DELETE FROM audit WHERE seq = ${it}`],
  [
    "removes some rows",
    (it, other) => `DELETE FROM audit WHERE seq BETWEEN ${Math.min(it, other)} AND ${Math.max(it, other)}`,
  ],
  ["removes all rows", () => "DELETE FROM audit"],
  ["cuts the end", (it) => `DELETE FROM audit WHERE seq >= ${it}`],
  [
    "cuts the end and moves the head",
    (it) => `DELETE FROM audit WHERE seq > ${it};
     UPDATE audit_head h SET seq = a.seq, hash = a.hash FROM audit a WHERE a.seq = ${it} AND ${it} < (SELECT seq FROM head_kept);
     DELETE FROM audit WHERE ${it} = (SELECT seq FROM head_kept) AND seq = ${it}`,
  ],
  ["moves the head", (it) => `UPDATE audit_head SET seq = ${it} - 1`],
  ["another hash in the head", () => "UPDATE audit_head SET hash = sha256(hash)"],
  [
    "exchanges two texts",
    (it, other) => `UPDATE audit a SET record = b.record FROM audit_kept b
     WHERE (a.seq, b.seq) IN ((${it}, ${other}), (${other}, ${it})); UPDATE audit SET record = record || ' ' WHERE ${it} = ${other} AND seq = ${it}`,
  ],
  [
    "exchanges two rows",
    (it, other) => `UPDATE audit a SET record = b.record, hash = b.hash, prev_hash = b.prev_hash, at = b.at
     FROM audit_kept b WHERE (a.seq, b.seq) IN ((${it}, ${other}), (${other}, ${it})); DELETE FROM audit WHERE ${it} = ${other} AND seq = ${it}`,
  ],
  [
    "puts a row in at the end",
    (it, _o, last) =>
      `INSERT INTO audit SELECT ${last + 1}, at, prev_hash, hash, record FROM audit_kept WHERE seq = ${it}`,
  ],
  [
    "puts a row in far behind",
    (it) =>
      `INSERT INTO audit SELECT 9223372036854775807, at, prev_hash, hash, record FROM audit_kept WHERE seq = ${it}`,
  ],
  [
    "puts a row in before the beginning",
    (it) => `INSERT INTO audit SELECT 2 - ${it}, at, prev_hash, hash, record FROM audit_kept WHERE seq = ${it}`,
  ],
  [
    "a tombstone of no erasure",
    (it) => `UPDATE audit SET record = format('{"erased":"made-up","at":"%s"}',
     to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) WHERE seq = ${it}`,
  ],
  ["writes it anew from a row on", (it) => REWRITE.replaceAll("$SEQ", String(it))],
];

test("whatever is done to a row of the log or to its end is found", { timeout: 120_000 }, async () => {
  expect(await faultsOf()).toEqual([]); // and so is anchored
  await keep();
  const rows = await seqs();
  const last = rows.at(-1)?.seq ?? 0;
  const index = fc.integer({ min: 0, max: rows.length - 1 });
  const missed: string[] = [];
  const oneOf = async ([name, sql]: Mutation, i: number, j: number) => {
    const [row, other] = [rows[i]?.seq ?? 0, rows[j]?.seq ?? 0];
    // A tombstone's text is under no hash: two of one erasure and one moment are exchanged unseen, and nothing is lost by it.
    if (name === "exchanges two texts" && rows[i]?.erased && rows[j]?.erased) return;
    await restore();
    await tenant.sql(sql(row, other, last));
    const [same] = await tenant.sql<{ same: boolean }>(
      `SELECT NOT EXISTS ((TABLE audit EXCEPT TABLE audit_kept) UNION ALL (TABLE audit_kept EXCEPT TABLE audit))
          AND NOT EXISTS (TABLE audit_head EXCEPT TABLE head_kept) AS same`,
    );
    if (!same?.same && (await verify()).faultCount === 0) missed.push(`${name}, row ${row}, row ${other}`);
  };
  // Each near an end of the log, and then at random.
  for (const [i, mutation] of MUTATIONS.entries())
    await (i % 2 ? oneOf(mutation, 1, rows.length - 1) : oneOf(mutation, rows.length - 2, 1));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...MUTATIONS), index, index, async (mutation, i, j) => {
      await oneOf(mutation, i, j);
      expect(missed).toEqual([]);
    }),
    { numRuns: 30, endOnFailure: true },
  );
  await restore();
  expect(await faultsOf()).toEqual([]);
});

test("a log that was cut off before it was last verified, or written anew, fits in itself: the anchor tells", async () => {
  await append(4);
  const { head } = await verify();
  await keep();
  const cut = `DELETE FROM audit WHERE seq > ${head.seq - 3}; UPDATE audit_head h SET seq = a.seq, hash = a.hash FROM audit a WHERE a.seq = ${head.seq - 3}`;
  await tenant.sql(cut);
  expect(await faultsOf("start")).toEqual(["anchor"]);
  expect(await faultsOf("anchor")).toEqual(expect.arrayContaining(["anchor", "truncated"]));
  await append(6); // it grows on beyond the anchor
  expect(await faultsOf("start")).toEqual(["anchor"]);
  expect(await faultsOf("anchor")).toEqual(expect.arrayContaining(["anchor", "link"]));
  await restore();
  await tenant.sql(REWRITE.replaceAll("$SEQ", String(head.seq - 20)));
  expect(await faultsOf()).toEqual(["anchor"]);
  // Whoever can reach the registry too is found by a head that was kept elsewhere.
  const expected = { seq: head.seq, hash: Buffer.from(head.hash, "hex") };
  expect(await faultsOf("start", { anew: true, expected })).toEqual(["anchor"]);
  expect(await faultsOf("start", { anew: true })).toEqual([]);
  expect(await faultsOf()).toEqual([]);
  await restore();
  expect(await faultsOf("start", { anew: true })).toEqual([]);
});

test("the tenant's own login can add lines and spoil the head, and cannot take a line away or change one", async () => {
  for (const sql of [
    "DELETE FROM audit",
    "UPDATE audit SET record = '{}'",
    "TRUNCATE audit",
    "UPDATE lifecycle SET audit_start_seq = 1",
  ])
    await expect(tenant.db.query("attempt", sql, [])).rejects.toMatchObject({ code: "42501" });
  await keep();
  await tenant.db.query("attempt_head", "UPDATE audit_head SET seq = seq - 2", []);
  expect(await faultsOf()).toEqual(["truncated"]);
  await restore();
});

test("a log of many faults is told of in part, and counted whole", { timeout: 60_000 }, async () => {
  await keep();
  await tenant.sql(
    `INSERT INTO audit SELECT 1000000 + 2 * n, now(), '\\x00', '\\x00', '{"erased":"e' || n || '"}' FROM generate_series(1, 20000) n`,
  );
  let told = 0;
  const broken = await verify("start", { progress: async () => void told++ });
  expect(broken.faults).toHaveLength(100);
  expect(broken.faultCount).toBeGreaterThan(20_000);
  expect(told).toBeGreaterThan(3);
  await restore();
});
