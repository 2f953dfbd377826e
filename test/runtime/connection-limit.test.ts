import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { World } from "./fixture.ts";

let world: World;
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());
beforeEach(async () => {
  await world.stopAgents();
  await world.fresh();
});

const TOOL = { name: "one", description: "d", sql: { statement: "SELECT 1 AS one" } };
/** As in production: long enough to wait for a connection. */
const LEASE = { AGENTPG_LEASE_SECONDS: "10" };
const limitTo = (connectionLimit: number) => world.operator.ensure({ ...world.tenant, connectionLimit }, world.epoch);
const connections = async () =>
  (await world.sql("SELECT pid FROM pg_stat_activity WHERE usename = $1", [world.connection.user])).length;

describe("the connections of a tenant's login", () => {
  it("are shared by its pods as they come and go, so that each can work", async () => {
    await limitTo(32);
    const env = { AGENTPG_POOL_MIN: "12" };
    const first = await world.start({}, {}, env);
    await expect.poll(connections, { timeout: 15_000 }).toBeGreaterThanOrEqual(12);
    const others = await Promise.all([1, 2, 3].map((n) => world.start({ name: `other${n}` }, {}, env)));
    // (32 - 4 in reserve) / 4 pods = 7: one of them for tools, which is opened when needed, and one for wake-ups.
    await expect.poll(connections, { timeout: 20_000 }).toBe(4 * 6);
    for (const it of others) {
      await it.stop(0);
      world.forget(it);
    }
    await expect.poll(connections, { timeout: 20_000 }).toBeGreaterThanOrEqual(12);
    expect(first.status()).toMatchObject({ database: { ok: true } });
  });

  it("may be fewer than the pods need: they wait for one another, and no run is lost", async () => {
    await limitTo(5);
    const pods = await Promise.all(Array.from({ length: 5 }, () => world.start({ tools: [TOOL] }, {}, LEASE)));
    const ask = async (i: number) => {
      const { client } = pods[i % pods.length] as (typeof pods)[number];
      const session = await client.createSession();
      return (await client.ask(session.id, "USE_TOOL 1 one")).state;
    };
    const states = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(i)));
    expect(states.filter((it) => it !== "completed")).toEqual([]);
    expect(await connections()).toBeLessThanOrEqual(5);
    const outcomes =
      "SELECT is_error, min(output) FILTER (WHERE is_error) AS error, count(*)::int AS n FROM tool_executions GROUP BY is_error";
    expect(await world.sql(outcomes)).toEqual([{ is_error: false, error: null, n: 50 }]);
  });
});
