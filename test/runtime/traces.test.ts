import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { AgentClient } from "../../src/runtime/client.ts";
import { eventually } from "../support/eventually.ts";
import { OtlpReceiver, type ReceivedSpan, treeOf } from "../support/otlp-receiver.ts";
import { type AgentProcess, startProcess } from "./agent-process.ts";
import { World } from "./fixture.ts";

const MODEL = "claude-sonnet-5-5";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER = `00-${TRACE}-00f067aa0ba902b7-01`;

let world: World;
let receiver: OtlpReceiver;
let endpoint: string;
let processes: AgentProcess[] = [];
beforeAll(async () => {
  world = await World.create();
  receiver = new OtlpReceiver();
  endpoint = await receiver.listen();
});
afterAll(async () => {
  await receiver?.close();
  await world?.close();
});
beforeEach(async () => {
  await world.fresh();
  receiver.forget();
});
afterEach(async () => {
  await Promise.all(processes.map((it) => it.end("SIGKILL")));
  processes = [];
});

type Change = Parameters<typeof startProcess>[1];

async function agent(change: Change = {}, env: Record<string, string> = {}, program?: string[]): Promise<AgentProcess> {
  const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: "50", AGENTPG_POD_NAME: "pod-1" };
  const started = await startProcess(world, change, { ...tracing, ...env }, program);
  processes.push(started);
  return started;
}

/** A caller that is in a trace of its own. */
const traced = ({ url }: AgentProcess, headers: Record<string, string> = { traceparent: CALLER }) =>
  new AgentClient({ baseUrl: url, patience: { attempts: 0 }, headers });

async function ask(client: AgentClient, question: string) {
  return client.ask((await client.createSession()).id, question);
}

const RUN_REQUEST = "POST /v1/sessions/:id/runs";

/** The spans of the request that asked, once the run's and its own are there. */
async function spansOfRun(trace?: string): Promise<ReceivedSpan[]> {
  const ofTrace = () => receiver.spans.filter((it) => !trace || it.traceId === trace);
  await eventually(
    () => ofTrace().map((it) => it.name),
    (names) => names.includes(RUN_REQUEST) && names.some((it) => it.startsWith("invoke_agent support")),
    10,
  );
  return ofTrace().filter((it) => it.name !== "POST /v1/sessions");
}

const one = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
  const found = spans.filter((it) => it.name === name);
  expect([name, found.length]).toEqual([name, 1]);
  return found[0] as ReceivedSpan;
};

const metric = async ({ metricsUrl }: AgentProcess, name: string): Promise<number> => {
  const text = await (await fetch(`${metricsUrl}/metrics`)).text();
  return Number(
    text
      .split("\n")
      .find((it) => it.startsWith(`${name} `))
      ?.split(" ")
      .at(-1) ?? Number.NaN,
  );
};
const spansCounted = (of: AgentProcess, outcome: string) =>
  metric(of, `agentpg_trace_spans_total{outcome="${outcome}"}`);

const NOTE = { name: "note", description: "A note.", sql: { statement: "SELECT 'PLANTED-OUTPUT' AS note" } };
const BROKEN = { name: "broken", description: "Fails.", sql: { statement: "SELECT 1 / 0 AS x" } };
const RESEARCHER = { name: "researcher", description: "Researches.", agent: { name: "researcher" } };
const call = (id: string, name: string, input: object) => ({ type: "tool_use", id, name, input });

/** A question that takes two tools and another agent, asked by a caller in a trace; texts that must be in no span are everywhere. */
async function asked(): Promise<{ support: AgentProcess; spans: ReceivedSpan[]; sessionId: string }> {
  world.claude.config.replyText = "PLANTED-ANSWER";
  world.claude.config.sayings = [
    {
      match: "PLANTED-QUESTION",
      stopReason: "tool_use",
      content: [
        call("toolu_1", "note", {}),
        call("toolu_2", "broken", {}),
        call("toolu_3", "researcher", { task: "PLANTED-TASK" }),
      ],
      usage: { input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 200, cache_creation_input_tokens: 30 },
    },
  ];
  const [support] = await Promise.all([
    agent({ systemPrompt: "PLANTED-PROMPT", tools: [NOTE, BROKEN, RESEARCHER] }),
    agent({ name: "researcher" }, { AGENTPG_POD_NAME: "pod-2" }),
  ]);
  const client = traced(support, {
    traceparent: CALLER,
    tracestate: "vendor=PLANTED-STATE",
    baggage: "user=PLANTED-BAGGAGE",
    "x-user-id": "PLANTED-USER",
  });
  const { id: sessionId } = await client.createSession();
  await client.ask(sessionId, "PLANTED-QUESTION");
  return { support, spans: await spansOfRun(), sessionId };
}

test("a run with two tools and another agent, over two processes, is one trace, the caller's, and tells nothing of what is said", async () => {
  const { support, spans, sessionId } = await asked();
  expect(treeOf(spans)).toEqual([
    [
      RUN_REQUEST,
      [
        [
          "invoke_agent support",
          [
            `chat ${MODEL}`,
            `chat ${MODEL}`,
            "execute_tool broken",
            "execute_tool note",
            ["execute_tool researcher", [["invoke_agent researcher", [`chat ${MODEL}`]]]],
          ],
        ],
      ],
    ],
  ]);
  expect(new Set(spans.map((it) => it.traceId))).toEqual(new Set([TRACE]));
  expect(one(spans, RUN_REQUEST).parent).toBe("00f067aa0ba902b7");
  const child = one(spans, "invoke_agent researcher");
  expect(child.resource).toMatchObject({ "service.name": "researcher", "k8s.pod.name": "pod-2" });
  expect(one(spans, "invoke_agent support").resource).toMatchObject({
    "service.name": "support",
    "service.namespace": "acme",
    "service.version": "0.1.0",
    "service.instance.id": "pod-1",
    "k8s.namespace.name": "acme",
  });
  const delegation = one(spans, "execute_tool researcher");
  expect(delegation.from).toBeLessThanOrEqual(child.from);
  expect(delegation.to).toBeGreaterThanOrEqual(child.to - 500); // each process ends its own when it hears of the answer
  for (const it of spans) expect([it.name, it.to >= it.from]).toEqual([it.name, true]);

  // Attributes, all of them, as the semantic conventions name them (1.41; GenAI in development).
  const run = one(spans, "invoke_agent support");
  const runId = run.attributes["agentpg.run.id"];
  const ofAgent = { "gen_ai.agent.name": "support", "gen_ai.agent.id": "agent-1", "agentpg.run.id": runId };
  const request = one(spans, RUN_REQUEST);
  expect([request.kind, request.status]).toEqual(["server", "unset"]);
  expect(request.attributes).toEqual({
    "http.request.method": "POST",
    "http.route": "/v1/sessions/:id/runs",
    "http.response.status_code": 200,
    "url.path": "/v1/sessions/:id/runs",
    "url.scheme": "http",
  });
  expect([run.kind, run.status]).toEqual(["internal", "unset"]);
  expect(run.attributes).toEqual({
    ...ofAgent,
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": MODEL,
    "gen_ai.response.finish_reasons": ["end_turn"],
    "gen_ai.usage.input_tokens": expect.any(Number),
    "gen_ai.usage.output_tokens": expect.any(Number),
    "gen_ai.usage.cache_read.input_tokens": expect.any(Number),
    "gen_ai.usage.cache_creation.input_tokens": expect.any(Number),
    "agentpg.tenant": "acme",
    "agentpg.run.state": "completed",
    "agentpg.run.iterations": 2,
    "agentpg.run.claims": 2,
  });
  const [chat] = spans
    .filter((it) => it.parent === run.spanId && it.name === `chat ${MODEL}`)
    .sort((a, b) => a.from - b.from);
  expect([chat?.kind, chat?.status]).toEqual(["client", "unset"]);
  expect(chat?.attributes).toEqual({
    ...ofAgent,
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": MODEL,
    "gen_ai.request.max_tokens": 1024,
    "gen_ai.response.model": MODEL,
    "gen_ai.response.id": expect.stringMatching(/^msg_/),
    "gen_ai.response.finish_reasons": ["tool_use"],
    "gen_ai.usage.input_tokens": 240,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.cache_read.input_tokens": 200,
    "gen_ai.usage.cache_creation.input_tokens": 30,
    "server.address": "127.0.0.1",
    "server.port": Number(new URL(world.claudeUrl).port),
  });
  const note = one(spans, "execute_tool note");
  expect([note.kind, note.status]).toEqual(["internal", "unset"]);
  expect(note.attributes).toEqual({
    ...ofAgent,
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "note",
    "gen_ai.tool.type": "function",
    "gen_ai.tool.call.id": "toolu_1",
    "agentpg.tool.kind": "sql",
    "agentpg.tool.attempts": 1,
  });
  const broken = one(spans, "execute_tool broken");
  expect([broken.status, broken.attributes["error.type"]]).toEqual(["error", "error"]);
  expect(delegation.attributes).toEqual({
    ...ofAgent,
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "researcher",
    "gen_ai.tool.type": "function",
    "gen_ai.tool.call.id": "toolu_3",
    "agentpg.tool.kind": "agent",
  });

  // Nothing that anybody said, nobody who said it, no session, no secret.
  expect(receiver.raw.length).toBeGreaterThan(5000);
  for (const secret of ["PLANTED", sessionId, "sk-ant-test", world.connection.password, world.connection.user])
    expect(receiver.raw).not.toContain(secret);
  const child2 = await world.sql<{ session_id: string }>("SELECT session_id FROM runs WHERE depth = 1");
  expect(receiver.raw).not.toContain(child2[0]?.session_id);
  expect(await spansCounted(support, "exported")).toBeGreaterThanOrEqual(6);
  expect(await spansCounted(support, "dropped")).toBe(0);
});

test("what fails is an error by its kind, also an attempt that was made again; what is cancelled is none", async () => {
  const support = await agent();
  world.claude.config.faults = [{ kind: "truncate", times: 1, match: "Hello" }];
  expect((await ask(traced(support), "Hello")).state).toBe("completed");
  const retried = one(await spansOfRun(), `chat ${MODEL}`);
  expect(retried.events).toEqual([{ name: "attempt_failed", attributes: { "error.type": "stream_interrupted" } }]);
  expect(retried.status).toBe("unset");

  receiver.forget();
  world.claude.config.badKeys = ["sk-ant-test-0001"];
  expect((await ask(traced(support), "Hello")).state).toBe("failed");
  const failed = await spansOfRun();
  for (const name of [`chat ${MODEL}`, "invoke_agent support"]) {
    const { status, attributes } = one(failed, name);
    expect([name, status, attributes["error.type"]]).toEqual([name, "error", "api_key_refused"]);
  }
  expect(one(failed, "invoke_agent support").attributes["agentpg.run.state"]).toBe("failed");
  expect(one(failed, RUN_REQUEST).status).toBe("unset"); // it was answered as it should be

  receiver.forget();
  world.claude.config.badKeys = [];
  world.claude.config.latencyMs = 20_000;
  const client = traced(support);
  const { id } = await client.startRun((await client.createSession()).id, "Hello");
  await client.cancel(id);
  const cancelled = await spansOfRun();
  const run = one(cancelled, "invoke_agent support");
  expect([run.status, run.attributes["agentpg.run.state"]]).toEqual(["unset", "cancelled"]);
  expect(run.attributes).not.toHaveProperty("error.type");
  const chat = one(cancelled, `chat ${MODEL}`);
  expect([chat.status, chat.attributes["agentpg.stopped"]]).toEqual(["unset", "cancelled"]);
});

test("a run whose process is killed goes on in its trace, below the same span", async () => {
  world.claude.config.latencyMs = 1500;
  const first = await agent({ tools: [NOTE] });
  const client = traced(first);
  const { id } = await client.startRun((await client.createSession()).id, "USE_TOOL 1 note");
  await eventually(
    () => receiver.named(`chat ${MODEL}`),
    (it) => it.length === 1,
  );
  await first.end("SIGKILL");
  world.claude.config.latencyMs = 0;
  const second = await agent({ tools: [NOTE] }, { AGENTPG_POD_NAME: "pod-2" });
  await eventually(
    () => second.client.getRun(id),
    (it) => it.state === "completed",
    20,
  );
  const spans = await spansOfRun(TRACE);
  const run = one(spans, "invoke_agent support");
  expect(run.attributes).toMatchObject({ "agentpg.run.id": id, "agentpg.run.claims": 2 });
  expect(run.resource["k8s.pod.name"]).toBe("pod-2");
  const chats = spans.filter((it) => it.parent === run.spanId && it.name === `chat ${MODEL}`);
  expect(chats.map((it) => it.resource["k8s.pod.name"])).toEqual(expect.arrayContaining(["pod-1", "pod-2"]));
});

test("a trace is kept as its caller decided, and else by the ratio; session ids are told where that is allowed", async () => {
  const env = { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" };
  const support = await agent({}, { ...env, AGENTPG_TRACE_SESSION_IDS: "true" });
  await ask(traced(support, {}), "not kept");
  await ask(traced(support, { traceparent: `00-${"a".repeat(32)}-00f067aa0ba902b7-00` }), "not kept");
  const client = traced(support);
  const { id } = await client.createSession();
  await client.ask(id, "kept");
  const spans = await spansOfRun();
  expect(new Set(receiver.spans.map((it) => it.traceId))).toEqual(new Set([TRACE]));
  expect(one(spans, "invoke_agent support").attributes["gen_ai.conversation.id"]).toBe(id);
  expect(one(spans, `chat ${MODEL}`).attributes["gen_ai.conversation.id"]).toBe(id);
});

test("a collector that hangs, refuses or is gone costs spans, which are counted, and nothing else", async () => {
  const env = { OTEL_BSP_MAX_QUEUE_SIZE: "16", OTEL_EXPORTER_OTLP_TIMEOUT: "1500" };
  receiver.behaviour = "hang";
  const support = await agent({}, env);
  const begun = performance.now();
  const states = await Promise.all(
    Array.from({ length: 20 }, () => ask(traced(support), "Hello").then((it) => it.state)),
  );
  expect(states).toEqual(Array.from({ length: 20 }, () => "completed"));
  expect(performance.now() - begun).toBeLessThan(10_000);
  expect(await spansCounted(support, "dropped")).toBeGreaterThanOrEqual(40); // 20 times 4, less 16 that wait
  await eventually(
    () => spansCounted(support, "failed"),
    (it) => it > 0,
  );
  receiver.behaviour = "refuse";
  expect((await ask(traced(support), "Hello")).state).toBe("completed");
  receiver.behaviour = "take";
  await eventually(
    async () => {
      await ask(traced(support), "Hello");
      return spansCounted(support, "exported");
    },
    (it) => it > 0,
    15,
  );
  receiver.behaviour = "hang";
  await ask(traced(support), "Hello");
  const ending = performance.now();
  expect(await support.end("SIGTERM")).toBe(0);
  expect(performance.now() - ending).toBeLessThan(6000); // three seconds are for the last spans

  await receiver.close();
  const alone = await agent({}, env);
  expect((await ask(traced(alone), "Hello")).state).toBe("completed");
  await eventually(
    () => spansCounted(alone, "failed"),
    (it) => it > 0,
    10,
  );
  expect(await alone.end("SIGTERM")).toBe(0);
  await receiver.listen();
});

/** Says on standard output what is loaded of OpenTelemetry's SDK. */
const WATCH_LOADS = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  registerHooks({ load(url, context, next) { if (/@opentelemetry.sdk-trace/.test(url)) console.log("LOADED " + url); return next(url, context); } });
`)}`;

test("without an endpoint nothing of the SDK is loaded, and a run's row has no trace", async () => {
  const program = ["--import", WATCH_LOADS, "src/runtime/main.ts"];
  const off = await agent({}, { OTEL_EXPORTER_OTLP_ENDPOINT: "" }, program);
  await world.sql("DELETE FROM runs");
  expect((await ask(traced(off), "Hello")).state).toBe("completed");
  expect(await world.sql("SELECT trace FROM runs")).toEqual([{ trace: null }]);
  expect(off.output()).not.toContain("LOADED");
  expect((await agent({}, {}, program)).output()).toContain("LOADED");
});
