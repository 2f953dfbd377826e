import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { AgentApiError, AgentClient } from "../../src/runtime/client.ts";
import { eventually } from "../support/eventually.ts";
import { all, textOf, types, World } from "./fixture.ts";

let world: World;
const proxies: Server[] = [];

beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());
beforeEach(() => world.fresh({ chunkDelayMs: 20, chunks: 10 }));
afterEach(async () => {
  for (const proxy of proxies.splice(0)) proxy.close();
  await world.stopAgents();
});

/** Leads each connection to the next of the ports, and breaks it after so many bytes of answer. */
async function breakingProxy(ports: number[], cutAfter: number[]): Promise<{ url: string; connections: () => number }> {
  let n = 0;
  const server = createServer((socket: Socket) => {
    const [port, most] = [ports[n % ports.length] as number, cutAfter[n] ?? Number.POSITIVE_INFINITY];
    n++;
    const target = connect(port, "127.0.0.1");
    let bytes = 0;
    const end = () => {
      socket.destroy();
      target.destroy();
    };
    for (const it of [socket, target]) it.on("error", end).on("close", end);
    socket.pipe(target);
    target.on("data", (data) => {
      bytes += data.length;
      if (bytes > most) end();
      else socket.write(data);
    });
  });
  proxies.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => n };
}

it("a stream that breaks again and again goes on where it was, with another pod too, and the question is asked once", async () => {
  const [first, second] = [await world.start(), await world.start()];
  const session = await first.client.createSession();
  const { url, connections } = await breakingProxy([first.port, second.port], [1500, 700, 900]);
  const client = new AgentClient({ baseUrl: url });
  const events = await all(client.run(session.id, "Tell me a story"));
  const result = events.at(-1);
  expect(connections()).toBeGreaterThan(2);
  expect(types(events).at(-1)).toBe("run.completed");
  expect(textOf(events)).toBe(result?.type === "run.completed" && result.data.response);
  expect((await client.runs(session.id)).items).toHaveLength(1);
});

it("a question whose answer never came is asked once all the same", async () => {
  const { client, port } = await world.start();
  const session = await client.createSession();
  const { url } = await breakingProxy([port], [0, 0]);
  const run = await new AgentClient({ baseUrl: url }).ask(session.id, "Hello");
  expect(run.state).toBe("completed");
  expect((await client.runs(session.id)).items).toHaveLength(1);
});

it("a client that is told when to come again does, and one that would have to wait too long says so", async () => {
  const runs = Number((await world.sql<{ n: string }>("SELECT count(*) AS n FROM runs"))[0]?.n);
  const { url, client } = await world.start({ name: "crowded", limits: { queuedRuns: 1, concurrentRuns: 1 } });
  await world.fresh({ chunkDelayMs: 100, chunks: 10 });
  const sessions = await Promise.all([1, 2, 3].map(() => client.createSession()));
  const working = await client.startRun(sessions[0]?.id ?? "", "Hello");
  await eventually(
    async () => (await client.getRun(working.id)).state,
    (state) => state === "running",
    10,
    10,
  );
  await client.startRun(sessions[1]?.id ?? "", "Hello");
  const impatient = new AgentClient({ baseUrl: url, patience: { longestWait: 0.5 } });
  const refused = await impatient.startRun(sessions[2]?.id ?? "", "Hello").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(AgentApiError);
  expect(refused).toMatchObject({ status: 429, code: "too-many-requests", retryAfter: expect.any(Number) });
  expect((await new AgentClient({ baseUrl: url }).ask(sessions[2]?.id ?? "", "Hello")).state).toBe("completed");
  expect(Number((await world.sql<{ n: string }>("SELECT count(*) AS n FROM runs"))[0]?.n)).toBe(runs + 3);
});

it("a refusal is an error that says what and why, and is not tried again", async () => {
  const { url } = await world.start();
  const client = new AgentClient({ baseUrl: url });
  await expect(client.getRun("01890000-0000-7000-8000-000000000000")).rejects.toMatchObject({
    status: 404,
    code: "not-found",
  });
  await expect(client.usage({ from: "never" })).rejects.toMatchObject({
    code: "invalid-parameter",
    problem: { field: "?from" },
  });
});

/** Answers each request with the next of these, then with a session; and tells the paths that were asked for. */
async function answering(answers: [status: number, body: object][]): Promise<{ client: AgentClient; asked: string[] }> {
  const asked: string[] = [];
  const server = createHttpServer((req, res) => {
    const [status, body] = answers[asked.length] ?? [200, { id: "s" }];
    asked.push(`${req.method} ${req.url}`);
    res.writeHead(status, { "retry-after": "0", "content-type": "application/json" }).end(JSON.stringify(body));
  });
  proxies.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { client: new AgentClient({ baseUrl: `http://127.0.0.1:${port}` }), asked };
}
const told = (status: number, code: string): [number, object] => [
  status,
  { type: `urn:agentpg:problem:${code}`, title: "", status, detail: "later" },
];

it("what may not be sent twice is sent again when the agent itself put it off, and else not", async () => {
  const { client, asked } = await answering([told(503, "unavailable"), told(429, "too-many-requests")]);
  await client.createSession();
  expect(asked).toHaveLength(3);
  for (const answer of [[503, {}], [502, {}], told(500, "internal-error")] as [number, object][]) {
    const other = await answering([answer]);
    await expect(other.client.compact("s")).rejects.toMatchObject({ status: answer[0] });
    expect(other.asked).toHaveLength(1);
  }
});

it("an id leads to nothing but what it is the id of", async () => {
  const { client, asked } = await answering([]);
  await client.getRun("x/../../sessions/S?");
  await client.cancel("a%2Fb#c");
  expect(asked).toEqual(["GET /v1/runs/x%2F..%2F..%2Fsessions%2FS%3F", "POST /v1/runs/a%252Fb%23c/cancel"]);
  for (const id of ["", ".", "..", undefined as unknown as string]) {
    await expect(client.session(id)).rejects.toThrow("is no id");
    await expect(client.decide("r", id, true)).rejects.toThrow("is no id");
    await expect(all(client.run(id, "Hello"))).rejects.toThrow("is no id");
    await expect(all(client.events(id))).rejects.toThrow("is no id");
  }
  expect(asked).toHaveLength(2);
});

it("a session is changed, found, looked at and erased", async () => {
  const { url } = await world.start();
  const client = new AgentClient({ baseUrl: url, headers: { "x-user-id": "eve" } });
  const { id } = await client.createSession({ a: "1" });
  await client.changeSession(id, { b: "x:y" });
  expect((await client.sessions({ metadata: { a: "1", b: "x:y" } })).items.map((it) => it.id)).toEqual([id]);
  const { runId } = await client.ask(id, "Hello");
  expect(await client.runTree(runId)).toMatchObject({ id: runId, children: [], toolCalls: [] });
  expect((await client.approvals()).items).toEqual([]);
  expect((await client.limits()).budgets).toEqual([]);
  expect((await client.usage({ by: "agent" })).items).toMatchObject([{ key: "support", runs: 1 }]);
  await client.startRun(id, "A long one");
  await client.eraseSession(id);
  await expect(client.session(id)).rejects.toMatchObject({ status: 404 });
});

it("one that stops listening leaves at once", async () => {
  const { client } = await world.start();
  const session = await client.createSession();
  const stop = new AbortController();
  const seen: string[] = [];
  const listening = (async () => {
    for await (const event of client.run(session.id, "Hello", { signal: stop.signal })) {
      seen.push(event.type);
      stop.abort(new Error("enough"));
    }
  })();
  await expect(listening).rejects.toThrow("enough");
  expect(seen.length).toBeGreaterThan(0);
});
