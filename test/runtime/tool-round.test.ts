import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { contentsOf } from "../../src/runtime/modules/contents.ts";
import { defineHook, defineTool, RetryTool, SnoozeTool } from "../../src/runtime/modules/interface.ts";
import type { ReceivedEvent } from "../../src/runtime/client.ts";
import { eventually } from "../support/eventually.ts";
import { all, types, World } from "./fixture.ts";

let world: World;
beforeAll(async () => {
  world = await World.create();
}, 60_000);
afterAll(() => world.close());
beforeEach(() => world.fresh());
afterEach(async () => {
  await world.stopAgents();
  await world.sql("DELETE FROM messages; DELETE FROM tool_executions; DELETE FROM runs; DELETE FROM sessions");
});

interface Call {
  name: string;
  key: string;
  variables: unknown;
}
let calls: Call[] = [];
beforeEach(() => {
  calls = [];
});

/** A tool that writes down each of its calls, and does as told. @param execute gets how often it has been called */
const tool = (name: string, more: object, execute: (times: number) => string) =>
  defineTool({
    name,
    description: "d",
    input: z.looseObject({}),
    ...more,
    execute(_input, { idempotencyKey: key, variables }) {
      calls.push({ name, key, variables });
      return execute(calls.filter((it) => it.name === name).length);
    },
  });
const TOOLS = [
  defineTool({
    name: "hang",
    description: "d",
    input: z.looseObject({}),
    execute(): Promise<string> {
      calls.push({ name: "hang", key: "", variables: null });
      return new Promise(() => {});
    },
  }),
  tool("note", {}, () => "noted"),
  tool("snooze", {}, (times) => {
    if (times === 1) throw new SnoozeTool(0.3);
    return "at last";
  }),
  tool("retry", { idempotent: true, maxAttempts: 3 }, (times) => {
    if (times === 1) throw new RetryTool("busy");
    return "again";
  }),
];

const withTools = (change: object = {}) =>
  world.start(change, { modules: [{ name: "notes", ...contentsOf({ tools: TOOLS }) }] });
interface ApprovalChange {
  timeoutSeconds?: number;
  onTimeout?: "Deny" | "Approve";
  approverRoles?: string[];
  ownerMayDecide?: boolean;
}
const approvals = (more: ApprovalChange = {}) => ({
  approvals: { tools: ["note"], timeoutSeconds: 60, onTimeout: "Deny" as const, ...more },
});
const stateOf = async (id: string) =>
  (await world.sql<{ state: string }>("SELECT state FROM runs WHERE id = $1", [id]))[0]?.state;
const until = (id: string, state: string) =>
  eventually(
    () => stateOf(id),
    (it) => it === state,
    15,
    50,
  );
const executions = (id: string) =>
  world.sql<{ toolUseId: string; name: string; state: string; attempts: number; output: string }>(
    'SELECT tool_use_id AS "toolUseId", name, state, attempts, output FROM tool_executions WHERE run_id = $1 ORDER BY tool_use_id',
    [id],
  );

interface Waiting {
  runId: string;
  toolUseId: string;
  tool: string;
  input: unknown;
  user: string;
  mayDecide: boolean;
}
const json = { "content-type": "application/json" };
const as = (user = "anonymous", roles = "") => ({ "x-user-id": user, "x-user-roles": roles });
const waiting = async (url: string, who = as()): Promise<Waiting[]> =>
  ((await (await fetch(`${url}/v1/approvals`, { headers: who })).json()) as { items: Waiting[] }).items;
const decide = (url: string, { runId, toolUseId }: Waiting, approve: boolean, reason?: string, who = as()) =>
  fetch(`${url}/v1/runs/${runId}/approvals/${toolUseId}`, {
    method: "POST",
    headers: { ...json, ...who },
    body: JSON.stringify({ approve, ...(reason ? { reason } : {}) }),
  });

async function asks(agent: Awaited<ReturnType<typeof withTools>>, message = "USE_TOOL 1 note") {
  const session = await agent.client.createSession();
  const { id } = await agent.client.startRun(session.id, message);
  await until(id, "awaiting_approval");
  const [approval] = await waiting(agent.url);
  return { id, session, approval: approval as Waiting };
}

describe("a call that needs a person", () => {
  it("is made once, by whichever pod, after somebody has said yes", async () => {
    const agent = await withTools(approvals());
    const { id, approval } = await asks(agent);
    expect(approval).toMatchObject({ runId: id, tool: "note" });
    expect(calls).toEqual([]);
    expect(agent.engine.active).toBe(0);
    const other = await withTools(approvals());
    expect((await decide(other.url, approval, true)).status).toBe(200);
    await until(id, "completed");
    expect(calls).toHaveLength(1);
    expect(await executions(id)).toMatchObject([{ name: "note", state: "completed", output: "noted" }]);
    const audit = await world.sql<{ record: string }>("SELECT record FROM audit ORDER BY seq");
    const actions = audit.map((it) => JSON.parse(it.record).action).filter((it) => /^(approval|tool)/.test(it));
    expect(actions.slice(-3)).toEqual(["approval.requested", "approval.decided", "tool.called"]);
  });

  it("is not made when somebody says no; the model reads why, and the audit log keeps it", async () => {
    const agent = await withTools(approvals());
    const { id, session, approval } = await asks(agent);
    const wrongs: [boolean, string, string][] = [
      [false, "x".repeat(2001), "reason: must have 2000 characters at most"],
      [true, "go on", "reason: is of a denial: leave it out where you approve"],
    ];
    for (const [approve, reason, why] of wrongs) {
      const refused = await decide(agent.url, approval, approve, reason);
      expect([refused.status, await refused.json()]).toEqual([
        400,
        expect.objectContaining({ detail: why, field: "#/reason" }),
      ]);
    }
    expect((await decide(agent.url, approval, false, "  not on a Friday\n")).status).toBe(200);
    await until(id, "completed");
    expect(calls).toEqual([]);
    const { items } = await agent.client.messages(session.id);
    expect(JSON.stringify(items)).toContain("A person denied this call: not on a Friday");
    const audit = await world.sql<{ record: string }>("SELECT record FROM audit WHERE record LIKE $1", [`%${id}%`]);
    expect(audit.map((it) => JSON.parse(it.record))).toContainEqual(
      expect.objectContaining({ action: "approval.decided", success: false, input: { reason: "not on a Friday" } }),
    );
    const other = await withTools(approvals());
    const told = (await all(other.client.events(id))).find((it) => it.type === "approval.decided");
    expect(told?.data).toMatchObject({ approved: false, by: "anonymous", reason: "not on a Friday" });
  });

  it("takes the same decision twice, and no other after it; of a run that is over it takes none", async () => {
    const agent = await withTools(approvals());
    const { id, approval } = await asks(agent);
    await decide(agent.url, approval, false);
    expect((await decide(agent.url, approval, false)).status).toBe(200);
    expect((await decide(agent.url, approval, true)).status).toBe(409);
    expect((await decide(agent.url, { ...approval, toolUseId: "none" }, true)).status).toBe(404);
    await until(id, "completed");
    expect(await waiting(agent.url)).toEqual([]);
  });

  it("is seen and decided by the session's owner alone", async () => {
    const agent = await withTools(approvals());
    const { approval } = await asks(agent);
    expect(await waiting(agent.url, as("mallory", "approver"))).toEqual([]);
    const stranger = await decide(agent.url, approval, true, "", as("mallory", "approver"));
    expect(stranger.status).toBe(403);
    expect(await stranger.text()).toContain("the owner of the session decides on its calls");
  });

  it("is seen and decided by whoever has an approver role too, who sees nothing else of the session", async () => {
    const agent = await withTools(approvals({ approverRoles: ["refunds", "bosses"] }));
    const { id, session, approval } = await asks(agent);
    const boss = as("bob", "staff bosses");
    expect(await waiting(agent.url, as("mallory", "staff"))).toEqual([]);
    expect((await decide(agent.url, approval, true, "", as("mallory", "staff"))).status).toBe(403);
    expect(await waiting(agent.url, boss)).toEqual([{ ...approval, user: "anonymous", mayDecide: true }]);
    for (const path of [`runs/${id}`, `runs/${id}/tree`, `runs/${id}/events`, `sessions/${session.id}/messages`])
      expect((await fetch(`${agent.url}/v1/${path}`, { headers: boss })).status).toBe(403);
    expect((await decide(agent.url, approval, true, "", boss)).status).toBe(200);
    await until(id, "completed");
    const [row] = await world.sql("SELECT approval_by FROM tool_executions WHERE run_id = $1", [id]);
    expect(row).toEqual({ approval_by: "bob" });
    const audit = await world.sql<{ record: string }>("SELECT record FROM audit WHERE record LIKE $1", [`%${id}%`]);
    expect(audit.map((it) => JSON.parse(it.record))).toContainEqual(
      expect.objectContaining({ action: "approval.decided", user: "anonymous", by: "bob", as: "approver" }),
    );
  });

  it("is seen and not decided by the session's owner where four eyes are asked for, approver or not", async () => {
    const agent = await withTools(approvals({ approverRoles: ["bosses"], ownerMayDecide: false }));
    const { id, approval } = await asks(agent);
    expect(approval.mayDecide).toBe(false);
    const own = await decide(agent.url, approval, true, "", as("anonymous", "bosses"));
    expect(own.status).toBe(403);
    expect(await own.text()).toContain("somebody else decides on the calls of your own session");
    expect((await decide(agent.url, approval, false, "", as("bob", "bosses"))).status).toBe(200);
    await until(id, "completed");
    expect(calls).toEqual([]);
  });

  it.each([
    ["Deny" as const, [], "nobody gave it in time"],
    ["Approve" as const, ["note"], "noted"],
  ])("on which nobody decides in time ends as onTimeout: %s says", async (onTimeout, made, output) => {
    const agent = await withTools(approvals({ onTimeout, timeoutSeconds: 1 }));
    const { id } = await asks(agent);
    const events = all(agent.client.events(id));
    await until(id, "completed");
    const decided = (await events).flatMap((it) => (it.type === "approval.decided" ? [it.data] : []));
    expect(decided).toMatchObject([{ name: "note", approved: onTimeout === "Approve", by: null }]);
    expect(calls.map((it) => it.name)).toEqual(made);
    expect((await executions(id))[0]?.output).toContain(output);
  });

  it("is over at once when the run is cancelled", async () => {
    const agent = await withTools(approvals());
    const { id } = await asks(agent);
    await agent.client.cancel(id);
    await until(id, "cancelled");
    expect(types(await all(agent.client.events(id)))).not.toContain("approval.decided");
    expect(await executions(id)).toMatchObject([{ state: "failed" }]);
    expect(calls).toEqual([]);
  });

  it("is found in pages, the oldest first, by its owner and by an approver", async () => {
    const agent = await withTools(approvals({ approverRoles: ["boss"] }));
    const five = Array.from({ length: 5 }, () => ({ tool: "note" }));
    world.claude.config.rules = [{ match: "^five$", rounds: [five], answer: "done" }];
    const { id: runId } = await asks(agent, "five");
    const pages = async (who: Record<string, string>) => {
      const found: string[] = [];
      let after = "";
      do {
        const response = await fetch(`${agent.url}/v1/approvals?limit=2${after}`, { headers: who });
        const { items, next } = (await response.json()) as { items: Waiting[]; next: string | null };
        found.push(...items.map((it) => it.toolUseId));
        after = next === null ? "" : `&after=${encodeURIComponent(next)}`;
      } while (after);
      return found;
    };
    const all = (await executions(runId)).map((it) => it.toolUseId);
    expect(all).toHaveLength(5);
    for (const who of [as(), as("eve", "boss")]) expect((await pages(who)).sort()).toEqual(all);
    expect(await pages(as("eve"))).toEqual([]);
    const bad = await fetch(`${agent.url}/v1/approvals?after=x`);
    expect([bad.status, await bad.json()]).toMatchObject([400, { field: "?after" }]);
  });

  it("is shown with the input that a hook has made of it, and that is what is run", async () => {
    const seen: unknown[] = [];
    const note = TOOLS.find(({ name }) => name === "note") as (typeof TOOLS)[number];
    const noted = defineTool({ ...note, execute: (input) => (seen.push(input), "noted") });
    const hooks = [defineHook({ name: "mask", beforeToolCall: () => ({ action: "change", input: { masked: true } }) })];
    const modules = [{ name: "notes", ...contentsOf({ tools: [noted], hooks }) }];
    const agent = await world.start(approvals(), { modules });
    const { id, approval } = await asks(agent);
    expect(approval.input).toEqual({ masked: true });
    await decide(agent.url, approval, true);
    await until(id, "completed");
    expect(seen).toEqual([{ masked: true }]);
  });

  it("is told to whoever listens", async () => {
    const agent = await withTools(approvals());
    const session = await agent.client.createSession();
    const seen: ReceivedEvent[] = [];
    for await (const event of agent.client.run(session.id, "USE_TOOL 1 note")) {
      seen.push(event);
      if (event.type === "approval.requested") await decide(agent.url, (await waiting(agent.url))[0] as Waiting, true);
    }
    const begun = seen.find((it) => it.type === "run.started");
    const runId = begun?.type === "run.started" ? begun.data.runId : "";
    const told = (events: ReceivedEvent[]) => types(events).filter((it) => /^(approval|tool.finished|run.c)/.test(it));
    const decided = ["approval.decided", "tool.finished", "run.completed"];
    expect(told(seen)).toEqual(["approval.requested", ...decided]);
    const { toolUseId } = (await executions(runId))[0] as { toolUseId: string };
    const data = { toolUseId, name: "note", approved: true, by: "anonymous", reason: null };
    expect(seen.find((it) => it.type === "approval.decided")?.data).toEqual(data);
    expect(told(await all(agent.client.events(runId)))).toEqual(decided);
  });
});

describe("several calls in one message", () => {
  const idOf = (it: ReceivedEvent) => `${it.type} ${"toolUseId" in it.data ? it.data.toolUseId : ""}`;
  const runIdOf = (events: ReceivedEvent[]) =>
    (events.find((it) => it.type === "run.started") as { data: { runId: string } }).data.runId;
  const toolEvents = (events: ReceivedEvent[]) => events.filter((it) => it.type.startsWith("tool.")).map(idOf);
  beforeEach(() => {
    const rounds = [[{ tool: "note" }, { tool: "retry" }, { tool: "note" }]];
    world.claude.config.rules = [{ match: "^three$", rounds, answer: "done" }];
  });

  it("lose no listener any event that stops after one of them, whichever pod it goes on with", async () => {
    const [first, second] = [await withTools(), await withTools()];
    const { id: session } = await first.client.createSession();
    const seen = await all(first.client.run(session, "three"));
    const told = toolEvents(seen);
    expect(new Set(told).size).toBe(6);
    const runId = runIdOf(seen);
    for (const from of seen.filter((it) => it.type.startsWith("tool."))) {
      const rest = await all(second.client.events(runId, { lastEventId: from.id }));
      expect(toolEvents(rest)).toEqual(told.slice(told.indexOf(idOf(from)) + 1));
      expect(types(rest)).not.toContain("restarted");
    }
  });

  it("are told to the last while the run goes on", async () => {
    const [first, second] = [await withTools(), await withTools()];
    const { id: session } = await first.client.createSession();
    for (const agent of [first, second]) {
      const before: ReceivedEvent[] = [];
      for await (const event of first.client.run(session, "three")) {
        before.push(event);
        if (event.type === "tool.started") break;
      }
      const runId = runIdOf(before);
      const rest = await all(agent.client.events(runId, { lastEventId: before.at(-1)?.id as string }));
      const told = toolEvents([...before, ...rest]);
      expect(told).toEqual(toolEvents(await all(agent.client.events(runId))));
      expect(types(rest)).not.toContain("restarted");
    }
  });

  it("tell each end once to who listens all the while, though one of them waits for a person", async () => {
    world.claude.config.rules = [{ match: "^mixed$", rounds: [[{ tool: "retry" }, { tool: "note" }]], answer: "done" }];
    const agent = await withTools(approvals());
    const { id: session } = await agent.client.createSession();
    const seen: ReceivedEvent[] = [];
    for await (const event of agent.client.run(session, "mixed")) {
      seen.push(event);
      if (event.type === "approval.requested") await decide(agent.url, (await waiting(agent.url))[0] as Waiting, true);
    }
    const ends = toolEvents(seen).filter((it) => it.startsWith("tool.finished"));
    expect(ends).toHaveLength(2);
    expect(new Set(ends).size).toBe(2);
    const runId = runIdOf(seen);
    const parked = seen.find((it) => it.type === "tool.finished")?.id as string;
    const rest = toolEvents(await all(agent.client.events(runId, { lastEventId: parked })));
    expect(rest.filter((it) => it.startsWith("tool.finished"))).toEqual(expect.arrayContaining(ends.slice(1)));
  });
});

describe("a tool", () => {
  it.each([
    ["by a cancel", {}, "cancelled", "the run was cancelled"],
    ["by the run's time", { limits: { runTimeoutSeconds: 1 } }, "failed", "the run took too long and was ended"],
  ])("that is cut off %s leaves its line in the audit log", async (_, change, state, why) => {
    const agent = await withTools(change);
    const session = await agent.client.createSession();
    const { id } = await agent.client.startRun(session.id, "USE_TOOL 1 hang");
    const called = () => calls.length;
    await eventually(called, (it) => it === 1, 15, 10);
    if (state === "cancelled") await agent.client.cancel(id);
    await until(id, state);
    const audit = await world.sql<{ record: string }>("SELECT record FROM audit ORDER BY seq");
    const lines = audit.map((it) => JSON.parse(it.record)).filter((it) => it.run === id);
    expect(lines).toMatchObject([
      { action: "tool.called", tool: "hang", success: false, cut: why },
      { action: `run.${state}`, success: false },
    ]);
  });

  it("that asks to be called later parks its run, and is called again with the same key", async () => {
    const agent = await withTools();
    const session = await agent.client.createSession();
    const { id } = await agent.client.startRun(session.id, "USE_TOOL 1 snooze");
    await eventually(
      () => calls.length,
      (it) => it === 1,
      15,
      10,
    );
    await eventually(
      () => agent.engine.active,
      (it) => it === 0,
      15,
      10,
    );
    await until(id, "completed");
    expect(calls).toHaveLength(2);
    expect(calls[0]?.key).toBe(calls[1]?.key);
    expect(await executions(id)).toMatchObject([{ state: "completed", attempts: 1, output: "at last" }]);
  });

  it("that is done keeps its result when its pod goes while another call of the message runs", async () => {
    const both = ["note", "hang"].map((name) => ({ type: "tool_use", id: `toolu_${name}`, name, input: {} }));
    await world.fresh({ sayings: [{ match: "both", content: both, stopReason: "tool_use" }] });
    const first = await withTools();
    const { id } = await first.client.startRun((await first.client.createSession()).id, "both");
    await eventually(
      async () => calls.length,
      (it) => it === 2,
    );
    await first.stop(0);
    world.forget(first);
    await withTools();
    await until(id, "completed");
    expect(calls).toHaveLength(2);
    expect(await executions(id)).toMatchObject([
      { name: "hang", state: "failed" },
      { name: "note", state: "completed", output: "noted" },
    ]);
  });

  it("that is tried again has its attempts counted", async () => {
    const agent = await withTools();
    const run = await agent.client.ask((await agent.client.createSession()).id, "USE_TOOL 1 retry");
    expect(run.state).toBe("completed");
    expect(await executions(run.runId)).toMatchObject([{ attempts: 2, output: "again" }]);
  });

  it("costs no new entry in an index when its call's state changes", async () => {
    const updates = async () =>
      (
        await world.sql<{ all: number; heapOnly: number }>(
          `SELECT n_tup_upd::int AS "all", n_tup_hot_upd::int AS "heapOnly" FROM pg_stat_user_tables
           WHERE relid = 'tool_executions'::regclass`,
        )
      )[0] ?? { all: 0, heapOnly: 0 };
    const agent = await withTools();
    const session = await agent.client.createSession();
    const before = await updates();
    const { id } = await agent.client.startRun(session.id, "USE_TOOL 4 note");
    await until(id, "completed");
    await agent.stop(); // its connections tell their counts when they close
    const after = await eventually(updates, (it) => it.all - before.all >= 4);
    expect(after.heapOnly - before.heapOnly).toBeGreaterThanOrEqual(3); // a page may be full once
  });

  it("gets the run's variables, which the model does not see", async () => {
    const agent = await withTools();
    const session = await agent.client.createSession();
    await agent.client.ask(session.id, "USE_TOOL 1 note", { variables: { customer: "only for tools" } });
    expect(calls[0]?.variables).toEqual({ customer: "only for tools" });
    expect(JSON.stringify(await agent.client.messages(session.id))).not.toContain("only for tools");
  });
});

describe("the sql tool", () => {
  const mine = {
    name: "mine",
    description: "d",
    sql: {
      statement: "SELECT $1::text AS customer, $2::int AS id",
      parameters: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] },
      arguments: ["variables.customer", "id"],
    },
  };
  /** What the pod that began last reports. */
  const problem = async () =>
    (
      await world.sql<{ problem: unknown }>("SELECT report->'problem' AS problem FROM workers ORDER BY id DESC LIMIT 1")
    )[0]?.problem;

  it("takes what the caller alone may say from the run's variables", async () => {
    const { client } = await world.start({ tools: [mine] });
    const run = await client.ask((await client.createSession()).id, "USE_TOOL 1 mine", {
      variables: { customer: "ann" },
    });
    expect((await executions(run.runId))[0]?.output).toContain('"customer":"ann"');
  });

  it.each([
    ["a statement that is none", "selct * from orders", "spec.tools: mine.sql.statement: syntax error at or near"],
    ["one that changes rows", "DELETE FROM orders", "spec.tools: mine.sql.statement: syntax error"],
    ["one that would leave the tool role", "SELECT set_config('role', 'x', true)", "must not contain set_config"],
  ])("of %s is told to the operator as soon as the pod runs", async (_what, statement, message) => {
    await world.start({ tools: [{ ...mine, sql: { ...mine.sql, statement } }] });
    expect(await problem()).toEqual({ reason: "ToolInvalid", message: expect.stringContaining(message) });
  });

  it("of a table that is not there yet is no problem of the Agent's", async () => {
    await world.start({
      tools: [{ ...mine, sql: { ...mine.sql, statement: "SELECT * FROM orders_to_come WHERE id = $1" } }],
    });
    expect(await problem()).toBeNull();
  });

  it("says which variable is missing", async () => {
    const { client } = await world.start({ tools: [mine] });
    const run = await client.ask((await client.createSession()).id, "USE_TOOL 1 mine");
    expect((await executions(run.runId))[0]).toMatchObject({
      state: "failed",
      output: "the caller of this run gave no variable customer, which this tool needs",
    });
  });
});

describe("agents that ask one another", () => {
  const asking = (name: string, other: string) => ({
    name,
    tools: [{ name: "ask", description: "d", agent: { name: other } }],
    limits: { maxDelegationDepth: 2 },
  });

  it("in a circle are stopped by the agent's own limit of depth, with a message that says so", async () => {
    await world.fresh({ rules: [{ match: ".", tool: "ask", input: { task: "go on" }, answer: "{{result}}" }] });
    const ping = await world.start(asking("ping", "pong"));
    await world.start(asking("pong", "ping"));
    const run = await ping.client.ask((await ping.client.createSession()).id, "go");
    expect(run.response).toMatch(/agents may ask one another 2 deep/);
    const [row] = await world.sql<{ depth: number }>("SELECT max(depth)::int AS depth FROM runs");
    expect(row?.depth).toBe(2);
  });

  it("are shown as a tree, with what each cost and all together", async () => {
    const ping = await world.start(asking("ping", "pong"));
    await world.start({ name: "pong" });
    const run = await ping.client.ask((await ping.client.createSession()).id, "USE_TOOL 1 ask");
    const response = await fetch(`${ping.url}/v1/runs/${run.runId}/tree`);
    const tree = (await response.json()) as {
      usd: string;
      totalUsd: string;
      children: { agent: string; usd: string }[];
    };
    expect(tree.children).toMatchObject([{ agent: "pong" }]);
    const sum = Number(tree.usd) + Number(tree.children[0]?.usd);
    expect(Number(tree.totalUsd)).toBeCloseTo(sum, 8);
  });

  it("hold no worker while they wait: more of them than may work at once come to their end", async () => {
    const tenantLimits = { runsPerMinute: 100_000, concurrentRuns: 2 };
    const ping = await world.start({ ...asking("ping", "pong"), tenantLimits });
    await world.start({ name: "pong", tenantLimits });
    const ends = Array.from({ length: 12 }, async () => {
      const session = await ping.client.createSession();
      return (await ping.client.ask(session.id, "USE_TOOL 1 ask")).state;
    });
    expect(new Set(await Promise.all(ends))).toEqual(new Set(["completed"]));
  }, 40_000);

  it("give what they ask for no more time than they have themselves", async () => {
    world.claude.config.latencyMs = 100;
    const ping = await world.start({ ...asking("ping", "pong"), limits: { runTimeoutSeconds: 30 } });
    await world.start({ name: "pong" });
    const run = await ping.client.ask((await ping.client.createSession()).id, "USE_TOOL 1 ask");
    const [row] = await world.sql<{ ok: boolean }>(
      "SELECT c.deadline <= p.deadline AS ok FROM runs c JOIN runs p ON p.id = c.parent_run WHERE p.id = $1",
      [run.runId],
    );
    expect(row?.ok).toBe(true);
  });
});
