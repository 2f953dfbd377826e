import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { exposition } from "../../src/runtime/metrics/exposition.ts";
import { eventually } from "../support/eventually.ts";
import { World } from "./fixture.ts";

let world: World;
beforeAll(async () => {
  world = await World.create();
  await world.data("CREATE TABLE notes (id integer); GRANT SELECT ON notes TO PUBLIC");
}, 60_000);
afterAll(() => world.close());
beforeEach(() => world.fresh());
afterEach(() => world.stopAgents());

type Agent = Awaited<ReturnType<World["start"]>>;

const note = (name: string, statement = "SELECT $1::integer AS id") => ({
  name,
  description: "A note.",
  sql: {
    statement,
    parameters: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] },
  },
});

const scrape = async (agent: Agent): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${agent.metricsPort}/metrics`);
  expect(response.status).toBe(200);
  return response.text();
};
const ask = async (agent: Agent, question: string) =>
  agent.client.ask((await agent.client.createSession()).id, question);

test("what runs, calls, tools and refusals were is in a scrape", async () => {
  const agent = await world.start({
    tools: [note("note"), note("broken", "SELECT 1 / ($1::integer * 0)"), note("asked")],
    approvals: { tools: ["asked"], timeoutSeconds: 60, onTimeout: "Deny" },
    budget: { perDay: { usd: "50", tokens: 1_000_000 } },
  });
  world.claude.config.faults = [
    { kind: "overloaded", first: 3, retryAfter: 0.05 }, // the SDK itself asks three times
    { kind: "truncate", at: [4] },
  ];
  expect((await ask(agent, "USE_TOOL 2 note")).state).toBe("completed");
  expect((await ask(agent, "USE_TOOL 1 broken")).state).toBe("completed");
  world.claude.config.sayings = [
    { match: "made up", content: [{ type: "tool_use", id: "t1", name: "no_such", input: {} }], stopReason: "tool_use" },
    {
      match: "wrong input",
      content: [{ type: "tool_use", id: "t2", name: "note", input: { id: "x" } }],
      stopReason: "tool_use",
    },
  ];
  await ask(agent, "made up");
  await ask(agent, "wrong input");
  const { id } = await agent.client.startRun((await agent.client.createSession()).id, "USE_TOOL 1 asked");
  const [call] = await eventually(
    async () => (await agent.client.approvals()).items,
    (it) => it.length > 0,
  );
  await agent.client.decide(id, call?.toolUseId ?? "", false);
  await eventually(
    () => agent.client.getRun(id),
    (it) => it.state === "completed",
  );
  await fetch(`${agent.url}/v1/runs/00000000-0000-7000-8000-000000000000`);
  world.claude.config.badKeys = ["sk-ant-test-0001"];
  expect((await ask(agent, "Hello")).state).toBe("failed");
  await agent.engine.load.refresh(true);

  const text = await scrape(agent);
  for (const line of [
    'agentpg_runs_accepted_total{outcome="started"} 6',
    'agentpg_runs_total{state="completed"} 5',
    'agentpg_runs_total{state="failed"} 1',
    'agentpg_run_failures_total{type="api_key_refused"} 1',
    'agentpg_run_duration_seconds_count{state="completed"} 5',
    'agentpg_model_errors_total{type="overloaded_error"} 1',
    'agentpg_model_errors_total{type="api_key_refused"} 1',
    'agentpg_model_retries_total{kind="busy"} 1',
    'agentpg_model_retries_total{kind="interrupted"} 1',
    'agentpg_model_call_duration_seconds_count{outcome="failed"} 1',
    'agentpg_tool_calls_total{tool="note",outcome="ok"} 2',
    'agentpg_tool_calls_total{tool="note",outcome="invalid"} 1',
    'agentpg_tool_calls_total{tool="unknown",outcome="invalid"} 1',
    'agentpg_tool_calls_total{tool="broken",outcome="error"} 1',
    'agentpg_tool_call_duration_seconds_count{kind="sql"} 3',
    'agentpg_approvals_total{outcome="requested"} 1',
    'agentpg_approvals_total{outcome="denied"} 1',
    'agentpg_requests_refused_total{reason="not-found"} 1',
    'agentpg_tenant_budget_usd{period="day"} 50',
    'agentpg_tenant_budget_tokens{period="day"} 1000000',
    "agentpg_ready 1",
    "agentpg_queue_limit 1000",
  ])
    expect(text.split("\n")).toContain(line);
  expect(text).toMatch(/agentpg_tenant_spent_usd\{period="day"\} 0\.0\d+/);
  expect(text).toMatch(/agentpg_time_to_first_token_seconds_count [1-9]/);
  expect(text).toMatch(/agentpg_database_connections_limit [1-9]/);
  expect(text).not.toContain('agentpg_tenant_budget_usd{period="month"}');
});

test("a scrape of an agent with everything in it takes at most 5 ms and 60 kB", async () => {
  const tools = Array.from({ length: 100 }, (_, i) => note(`look_something_up_in_the_books_${i}`));
  const agent = await world.start({ tools });
  const { metrics } = agent;
  for (const { name } of tools)
    for (const outcome of ["ok", "error", "timeout", "invalid", "blocked"] as const) metrics.toolCalled(name, outcome);
  // An exemplar in each bucket.
  const exemplar = { trace_id: "4bf92f3577b34da6a3ce929d0e0e4736" };
  for (const seconds of [0.004, 0.009, 0.02, 0.04, 0.09, 0.2, 0.4, 0.9, 2, 4, 9, 20, 50, 100, 200, 500, 1000]) {
    for (const kind of ["sql", "http", "module", "files", "commands", "mcp"]) metrics.toolTook(kind, seconds, exemplar);
    for (const state of ["completed", "failed", "cancelled"] as const) metrics.runEnded(state, seconds, exemplar);
    metrics.firstToken(seconds, exemplar);
  }
  for (let i = 400; i < 420; i++) metrics.modelFailed({ type: `http_${i}` });
  metrics.modelCalled()("answered", exemplar);
  metrics.modelCalled()("failed", exemplar);

  const sizes: number[] = [];
  const milliseconds: number[] = [];
  for (let i = 0; i < 60; i++) {
    const before = process.cpuUsage();
    sizes.push(Buffer.byteLength((await exposition(metrics.registry, "application/openmetrics-text")).text));
    const { user, system } = process.cpuUsage(before);
    milliseconds.push((user + system) / 1000);
  }
  expect(Buffer.byteLength(await scrape(agent))).toBeLessThanOrEqual(60_000);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(60_000); // as OpenMetrics, which is more
  const median = milliseconds.sort((a, b) => a - b)[30] ?? 0;
  expect(median).toBeLessThanOrEqual(5);
});
