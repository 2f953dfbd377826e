// A plan that was made for an empty table must not outlive the emptiness.
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientOptions } from "../../src/database/connection.ts";
import { withFreshPlans } from "../../src/database/runs/fresh-plans.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let postgres: TestPostgres;
let client: Client;
beforeAll(async () => {
  postgres = await startPostgres();
  client = new Client(clientOptions(postgres.adminSettings("postgres"), "fresh plans"));
  await client.connect();
  await client.query("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off");
  await client.query("SET enable_mergejoin = off; CREATE TEMP TABLE call (id integer PRIMARY KEY, x integer)");
});
afterAll(async () => {
  await client?.end();
  await postgres?.stop();
});

const plan = async () =>
  (await client.query("EXPLAIN EXECUTE look ('[1, 2]')")).rows.map((it) => it["QUERY PLAN"]).join("\n");

test("a plan for an empty table is made anew once the table has grown, without anybody analyzing it", async () => {
  const start = Date.now();
  await withFreshPlans(client, start);
  await client.query("VACUUM ANALYZE call");
  await client.query(
    "PREPARE look AS WITH asked AS MATERIALIZED (SELECT value::int AS id FROM jsonb_array_elements_text($1::jsonb)) SELECT x FROM call JOIN asked USING (id)",
  );
  expect(await plan()).toContain("Join Filter");
  await client.query("INSERT INTO call SELECT n, n FROM generate_series(1, 20000) n");
  await withFreshPlans(client, start + 3000);
  expect(await plan(), "the plans are kept for a while").toContain("Join Filter");
  await withFreshPlans(client, start + 5000);
  expect(await plan()).toContain("Index Cond: (id = ");
});
