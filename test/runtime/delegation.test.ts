import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { applySteps } from "../../src/database/runs/apply-steps.ts";
import { AgentDatabase } from "../../src/database/runs/database.ts";
import { DelegateWatch } from "../../src/runtime/engine/delegate-watch.ts";
import { all, textOf, types, World } from "./fixture.ts";

let world: World;
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());
beforeEach(() => world.fresh({ rules: RULES }));
afterEach(() => world.stopAgents());

const openDatabase = () =>
  new AgentDatabase(
    world.names.schema,
    world.connection,
    "test",
    { min: 0, max: 1, idleMs: 1000, lifetimeSeconds: 60 },
    () => {},
  );
const RESEARCHER = { name: "researcher", description: "Researches.", agent: { name: "researcher" } };
const RULES = [
  { match: "^ask the researcher (.+)", tool: "researcher", input: { task: "$1" }, answer: "It says: {{result}}" },
  { match: "^about (.+)", answer: "All there is to know about $1" },
];

describe("another agent as a tool", () => {
  it("answers in its own pods while the caller streams", async () => {
    const { client } = await world.start({ tools: [RESEARCHER] });
    await world.start({ name: "researcher" });
    const session = await client.createSession();
    const begun = performance.now();
    const events = await all(client.run(session.id, "Ask the researcher about cats"));
    expect(types(events)).toEqual([
      "run.started",
      "delegation.started",
      "delegation.finished",
      "text.delta",
      "run.completed",
    ]);
    expect(textOf(events)).toBe("It says: All there is to know about cats");
    expect(performance.now() - begun).toBeLessThan(5000);
    const runs = await world.sql("SELECT agent, depth, state, lease_owner FROM runs ORDER BY depth");
    expect(runs).toEqual([
      { agent: "support", depth: 0, state: "completed", lease_owner: null },
      { agent: "researcher", depth: 1, state: "completed", lease_owner: null },
    ]);
  });

  it("is waited for without a worker, and found by any pod of the parent's agent when it is done", async () => {
    const first = await world.start({ tools: [RESEARCHER] });
    const session = await first.client.createSession();
    const { id } = await first.client.startRun(session.id, "Ask the researcher about dogs");
    await expect.poll(async () => (await first.client.getRun(id)).state).toBe("awaiting_agent");
    expect(first.engine.active).toBe(0);
    await first.stop(0);
    world.forget(first);
    const second = await world.start({ tools: [RESEARCHER] });
    await world.start({ name: "researcher" });
    await expect
      .poll(async () => (await second.client.getRun(id)).response, { timeout: 10_000 })
      .toBe("It says: All there is to know about dogs");
  });

  it("takes the room of the run that asked and waits, without waiting for the next figures of the tenant", async () => {
    await world.fresh({ rules: RULES, latencyMs: 1500 });
    const tenantLimits = { runsPerMinute: 100_000, concurrentRuns: 1 };
    const { client } = await world.start({ tools: [RESEARCHER], tenantLimits });
    const { id } = await client.startRun((await client.createSession()).id, "Ask the researcher about cats");
    await world.start({ name: "researcher", tenantLimits }); // it sees a full tenant, and would look again after 15 s
    await expect
      .poll(async () => (await client.getRun(id)).response, { timeout: 14_000 })
      .toBe("It says: All there is to know about cats");
  });

  it("is told of a failure, and goes on", async () => {
    const { client } = await world.start({ tools: [RESEARCHER] });
    await world.start({ name: "researcher", model: "unknown-model" });
    const session = await client.createSession();
    const answer = await client.ask(session.id, "Ask the researcher about cats");
    expect(answer.response).toMatch(/the other agent failed: the model unknown-model is not known/);
  });

  it("is asked several times at once, and beside other tools", async () => {
    const { client } = await world.start({
      tools: [RESEARCHER, { name: "one", description: "d", sql: { statement: "SELECT 1 AS one" } }],
    });
    await world.start({ name: "researcher" });
    const session = await client.createSession();
    const events = await all(client.run(session.id, "USE_TOOLS_PARALLEL 4 researcher"));
    expect(events.at(-1)?.type).toBe("run.completed");
    expect(events.filter((it) => it.type === "delegation.finished")).toHaveLength(4);
    expect(world.claude.stats.rejected).toBe(0);
  });

  it("is cancelled with the run that asked it", async () => {
    const { client } = await world.start({ tools: [RESEARCHER] });
    const session = await client.createSession();
    const { id } = await client.startRun(session.id, "Ask the researcher about cats");
    await expect.poll(async () => (await client.getRun(id)).state).toBe("awaiting_agent");
    await client.cancel(id);
    await expect.poll(async () => (await client.getRun(id)).state, { timeout: 5000 }).toBe("cancelled");
    await world.start({ name: "researcher" });
    await expect
      .poll(() => world.sql("SELECT state FROM runs WHERE parent_run = $1", [id]), { timeout: 5000 })
      .toEqual([{ state: "cancelled" }]);
    expect((await client.ask(session.id, "Hello")).state).toBe("completed");
    expect(world.claude.stats.rejected).toBe(0);
  });

  it("is not waited for when it has no pod: the model is told which, and the run goes on", async () => {
    const { client } = await world.start({ tools: [RESEARCHER], limits: { delegateAbsenceSeconds: 1 } });
    const answer = await client.ask((await client.createSession()).id, "Ask the researcher about cats");
    expect(answer.response).toMatch(/the agent researcher has had no running pod for 1 s\..*scale the Agent/);
    const runs = await world.sql("SELECT agent, state, error->>'type' AS error FROM runs WHERE parent_run = $1", [
      answer.runId,
    ]);
    expect(runs).toEqual([{ agent: "researcher", state: "cancelled", error: "agent_unavailable" }]);
    const [line] = await world.sql<{ record: string }>(
      "SELECT record FROM audit WHERE record LIKE '%agent_unavailable%'",
    );
    expect(JSON.parse(line?.record ?? "")).toMatchObject({ agent: "researcher", action: "run.cancelled" });
  });

  it("is waited for while it restarts, however often; what it had begun is given up as well when it stays away", async () => {
    const parent = await world.start({ tools: [RESEARCHER] });
    const { id } = await parent.client.startRun(
      (await parent.client.createSession()).id,
      "Ask the researcher about cats",
    );
    await expect.poll(async () => (await parent.client.getRun(id)).state).toBe("awaiting_agent");
    const begun =
      "UPDATE runs SET state = 'running', lease_owner = gen_random_uuid(), fence = 1, started_at = now(), deadline = now() + interval '1 hour'";
    await world.sql(`${begun} WHERE parent_run = $1`, [id]);
    const db = openDatabase();
    let seconds = 0;
    const watch = new DelegateWatch({
      config: world.config({ tools: [RESEARCHER] }),
      db,
      write: (step) => applySteps(db, [step]),
      answered: () => parent.engine.nudge(),
      now: () => seconds * 1000,
    });
    const givenUp = async (at: number) => {
      seconds = at;
      await watch.look();
      return (await world.sql("SELECT cancel_requested AS it FROM runs WHERE parent_run = $1", [id]))[0]?.it;
    };
    const pod =
      "INSERT INTO workers (id, agent, expires_at) VALUES (gen_random_uuid(), 'researcher', now() + interval '1 hour')";
    expect([await givenUp(0), await givenUp(59)]).toEqual([false, false]);
    await world.sql(pod);
    expect(await givenUp(61)).toBe(false);
    await world.sql("DELETE FROM workers WHERE agent = 'researcher'");
    expect([await givenUp(62), await givenUp(121), await givenUp(122)]).toEqual([false, false, true]);
    await expect
      .poll(async () => (await parent.client.getRun(id)).response)
      .toMatch(/cancelled: the agent researcher has/);
    await world.start({ name: "researcher" });
    await expect
      .poll(() => world.sql("SELECT state FROM runs WHERE parent_run = $1", [id]), { timeout: 5000 })
      .toEqual([{ state: "cancelled" }]);
    await db.close();
  });

  it("is cancelled four agents down, in the middle of a call, by any pod of the first one's agent", async () => {
    await world.fresh({ rules: [{ match: ".", tool: "next", input: { task: "go on" }, answer: "{{result}}" }] });
    const names = ["a", "b", "c", "d"];
    const asks = (name: string) => ({ tools: [{ name: "next", description: "d", agent: { name } }] });
    const pods = await Promise.all(names.map((name, i) => world.start({ name, ...asks(names[i + 1] ?? "e") })));
    const sleep = { name: "next", description: "d", sql: { statement: "SELECT pg_sleep(30)::text AS slept" } };
    await world.start({ name: "e", tools: [sleep], limits: { toolTimeoutSeconds: 40 } });
    const other = await world.start({ name: "a", ...asks("b") });
    const asleep = async () =>
      (
        await world.sql(
          "SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)::%' AND state = 'active' AND usename <> current_user",
        )
      ).length;
    const client = pods[0]!.client;
    const { id } = await client.startRun((await client.createSession()).id, "go");
    await expect.poll(asleep, { timeout: 15_000 }).toBe(1);
    await other.client.cancel(id);
    const states = async () =>
      (
        await world.sql<{ it: string }>(
          `WITH RECURSIVE tree AS (SELECT * FROM runs WHERE id = $1 UNION ALL SELECT r.* FROM tree JOIN runs r ON r.parent_run = tree.id)
           SELECT agent || ' ' || state AS it FROM tree ORDER BY depth`,
          [id],
        )
      ).map(({ it }) => it);
    await expect
      .poll(states, { timeout: 10_000 })
      .toEqual(["a cancelled", "b cancelled", "c cancelled", "d cancelled", "e cancelled"]);
    await expect.poll(asleep, { timeout: 5000 }).toBe(0);
  }, 40_000);

  const asking = (name: string) => ({ tools: [{ name: "next", description: "d", agent: { name } }] });
  const SLOW = {
    tools: [{ name: "next", description: "d", sql: { statement: "SELECT pg_sleep(60)::text AS slept" } }],
    limits: { toolTimeoutSeconds: 90 },
  };
  const statesBelow = (id: string) => async () =>
    (
      await world.sql<{ it: string }>(
        `WITH RECURSIVE tree AS (
           SELECT * FROM runs WHERE parent_run = $1 UNION ALL SELECT r.* FROM tree JOIN runs r ON r.parent_run = tree.id)
         SELECT agent || ' ' || state AS it FROM tree ORDER BY depth`,
        [id],
      )
    ).map(({ it }) => it);
  const NEXT = [{ match: ".", tool: "next", input: { task: "go on" }, answer: "{{result}}" }];
  const erase = async (url: string, session: string) =>
    (await fetch(`${url}/v1/sessions/${session}`, { method: "DELETE" })).status;

  it("is ended in the queue with the run that asked it, when it has no pod; the session can be erased", async () => {
    const { client, url } = await world.start({ tools: [RESEARCHER] });
    const session = await client.createSession();
    const { id } = await client.startRun(session.id, "Ask the researcher about cats");
    await expect.poll(async () => (await client.getRun(id)).state).toBe("awaiting_agent");
    await client.cancel(id);
    await expect.poll(statesBelow(id), { timeout: 10_000 }).toEqual(["researcher cancelled"]);
    const [child] = await world.sql<{ id: string }>("SELECT id FROM runs WHERE parent_run = $1", [id]);
    const [line] = await world.sql<{ record: string }>("SELECT record FROM audit WHERE record LIKE $1", [
      `%"run":"${child?.id}"%`,
    ]);
    expect(JSON.parse(line?.record ?? "")).toMatchObject({
      agent: "researcher",
      action: "run.cancelled",
      queued: true,
    });
    await expect.poll(() => erase(url, session.id), { timeout: 10_000 }).toBe(204);
  });

  it("is ended in the middle of a call with the run that asked it, when its pods are gone for good", async () => {
    await world.fresh({ rules: NEXT });
    const { client, url } = await world.start({ name: "a", ...asking("b") });
    const pod = await world.start({ name: "b", ...SLOW });
    const session = await client.createSession();
    const { id } = await client.startRun(session.id, "go");
    const calls = () =>
      world.sql("SELECT FROM tool_executions WHERE name = 'next' AND state = 'running' AND child_run IS NULL");
    await expect.poll(async () => (await calls()).length, { timeout: 10_000 }).toBe(1);
    await pod.stop(0);
    world.forget(pod);
    await client.cancel(id);
    await expect.poll(statesBelow(id), { timeout: 10_000 }).toEqual(["b cancelled"]);
    const said = await world.sql<{ run: string; content: { type: string }[] }>(
      "SELECT m.run_id AS run, m.content FROM messages m JOIN runs r ON r.id = m.run_id WHERE r.parent_run = $1 ORDER BY m.seq",
      [id],
    );
    expect(said.map((it) => it.content[0]?.type)).toEqual(["text", "tool_use", "tool_result"]);
    expect(await calls()).toEqual([]);
    const lines = await world.sql<{ record: string }>("SELECT record FROM audit WHERE record LIKE $1 ORDER BY seq", [
      `%"run":"${said[0]?.run}"%`,
    ]);
    expect(lines.map((it) => JSON.parse(it.record)).at(-1)).toMatchObject({ agent: "b", action: "run.cancelled" });
    await expect.poll(() => erase(url, session.id), { timeout: 10_000 }).toBe(204);
  }, 40_000);

  it("is cancelled although the database refuses to note it when the run that asked it has ended", async () => {
    await world.fresh({ rules: NEXT });
    const { client } = await world.start({ name: "a", ...asking("b") });
    await world.start({ name: "b", ...SLOW });
    const { id } = await client.startRun((await client.createSession()).id, "go");
    await expect.poll(statesBelow(id), { timeout: 10_000 }).toEqual(["b running"]);
    await world.sql(`CREATE SEQUENCE refused; GRANT USAGE ON SEQUENCE refused TO PUBLIC;
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('${world.names.schema}.refused') > 1 THEN RETURN NEW; END IF; -- whoever notes it first
        RAISE EXCEPTION 'terminating connection' USING ERRCODE = '57P01'; END $$;
      CREATE TRIGGER refuse BEFORE UPDATE OF cancel_requested ON runs FOR EACH ROW
        WHEN (NEW.parent_run = '${id}') EXECUTE FUNCTION refuse()`);
    try {
      await client.cancel(id);
      await expect.poll(statesBelow(id), { timeout: 20_000 }).toEqual(["b cancelled"]);
      expect(await world.sql("SELECT is_called FROM refused")).toEqual([{ is_called: true }]);
    } finally {
      await world.sql("DROP TRIGGER refuse ON runs; DROP FUNCTION refuse; DROP SEQUENCE refused");
    }
  }, 40_000);

  it("that was given up while it waited for another takes that one with it", async () => {
    await world.fresh({ rules: NEXT });
    const { client } = await world.start({ name: "a", ...asking("b"), limits: { delegateAbsenceSeconds: 1 } });
    const between = await world.start({ name: "b", ...asking("c") });
    await world.start({ name: "c", ...SLOW });
    const { id } = await client.startRun((await client.createSession()).id, "go");
    await expect.poll(statesBelow(id), { timeout: 15_000 }).toEqual(["b awaiting_agent", "c running"]);
    await between.stop(0);
    world.forget(between);
    await expect.poll(async () => (await client.getRun(id)).state, { timeout: 15_000 }).toBe("completed");
    await expect.poll(statesBelow(id), { timeout: 20_000 }).toEqual(["b cancelled", "c cancelled"]);
  }, 60_000);

  it("asks itself at most five deep", async () => {
    const self = { name: "again", description: "d", agent: { name: "loop" } };
    await world.fresh({ rules: [{ match: ".", tool: "again", input: { task: "go on" }, answer: "{{result}}" }] });
    const { client } = await world.start({ name: "loop", tools: [self] });
    const session = await client.createSession();
    const answer = await client.ask(session.id, "go");
    expect(answer.response).toMatch(/agents may ask one another 5 deep/);
    expect(await world.sql("SELECT max(depth)::int AS deepest FROM runs WHERE agent = 'loop'")).toEqual([
      { deepest: 5 },
    ]);
  });
});
