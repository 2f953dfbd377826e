import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { pgBouncerMissing, startPgBouncer, type TestPgBouncer } from "../support/pgbouncer.ts";
import { type AgentProcess, startProcess } from "./agent-process.ts";
import { all, secretFiles, textOf, types, World } from "./fixture.ts";

/** Of PgBouncer to Postgres, for a login: far fewer than agents want. */
const SERVER_CONNECTIONS = 2;
const RESEARCHER = { name: "researcher", description: "Researches.", agent: { name: "researcher" } };
const WHO = { name: "who", description: "d", sql: { statement: "SELECT current_user AS role, count(*) FROM orders" } };
const RULES = [
  { match: "^ask the researcher (.+)", tool: "researcher", input: { task: "$1" }, answer: "It says: {{result}}" },
  { match: "^about (.+)", answer: "All there is to know about $1" },
];

const missing = await pgBouncerMissing();
describe.skipIf(missing)(`an agent behind PgBouncer in transaction mode${missing ? ` (${missing})` : ""}`, () => {
  let world: World;
  let pooler: TestPgBouncer;
  const processes: AgentProcess[] = [];
  beforeAll(async () => {
    world = await World.create();
    await world.data("CREATE TABLE orders (id integer, status text); INSERT INTO orders VALUES (1042, 'shipped')");
    pooler = await startPgBouncer({ postgres: world.postgres, settings: { default_pool_size: SERVER_CONNECTIONS } });
    world.connection = { ...(await pooler.connection(world.connection)), pooler: "Transaction" };
    await world.database.publish(secretFiles(world.connection, world.names.schema, "2"));
  });
  afterAll(async () => {
    await pooler?.stop();
    await world?.close();
  });
  beforeEach(() => world.fresh({ rules: RULES }));
  afterEach(async () => {
    await Promise.all(processes.splice(0).map((it) => it.end("SIGKILL")));
    await world.stopAgents();
  });

  const serverConnections = async () =>
    (await world.sql("SELECT pid FROM pg_stat_activity WHERE usename = $1", [world.connection.user])).length;
  const unfinished = () => world.sql("SELECT id, state FROM runs WHERE state <> 'completed'");

  it("answers, with sql tools, from many sessions at once over two connections to Postgres", async () => {
    const agents = await Promise.all([1, 2, 3].map(() => world.start({ tools: [WHO] })));
    const ask = async (i: number) => {
      const { client } = agents[i % 3] as (typeof agents)[number];
      const session = await client.createSession();
      return (await client.ask(session.id, "USE_TOOL 1 who")).state;
    };
    const states = await Promise.all(Array.from({ length: 30 }, (_, i) => ask(i)));
    expect(new Set(states)).toEqual(new Set(["completed"]));
    expect(await serverConnections()).toBeLessThanOrEqual(SERVER_CONNECTIONS);
    const outputs = await world.sql<{ output: string; n: number }>(
      "SELECT output, count(*)::int AS n FROM tool_executions GROUP BY output",
    );
    expect(outputs).toEqual([{ output: JSON.stringify([{ role: world.names.tool, count: "1" }]), n: 30 }]);
    const [left] = await world.sql(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = $1 AND state LIKE 'idle in%'",
      [world.connection.user],
    );
    expect(left).toEqual({ n: 0 });
  });

  it("delegates to another agent and hears of its answer without LISTEN", async () => {
    const { client } = await world.start({ tools: [RESEARCHER] });
    await world.start({ name: "researcher" });
    const session = await client.createSession();
    const events = await all(client.run(session.id, "Ask the researcher about cats"));
    expect(types(events).at(-1)).toBe("run.completed");
    expect(textOf(events)).toBe("It says: All there is to know about cats");
    expect(await world.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'agentpg-wake'")).toEqual([]);
  });

  it("takes over the runs of one that was killed", async () => {
    await world.fresh({ latencyMs: 400 });
    const first = await startProcess(world);
    processes.push(first);
    const sessions = await Promise.all(Array.from({ length: 10 }, () => first.client.createSession()));
    await Promise.all(sessions.map((it) => first.client.startRun(it.id, "Hello")));
    await first.end("SIGKILL");
    processes.push(await startProcess(world));
    await expect.poll(unfinished, { timeout: 20_000 }).toEqual([]);
  });

  it("loses no run when PgBouncer restarts", async () => {
    await world.fresh({ latencyMs: 500 });
    const { client } = await world.start();
    const sessions = await Promise.all(Array.from({ length: 10 }, () => client.createSession()));
    await Promise.all(sessions.map((it) => client.startRun(it.id, "Hello")));
    await pooler.restart();
    await expect.poll(unfinished, { timeout: 20_000 }).toEqual([]);
  });
});
