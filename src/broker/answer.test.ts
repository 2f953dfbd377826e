import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { handOn } from "./answer.ts";
import { Endpoint } from "./endpoint.ts";
import { Refused } from "./refusal.ts";
import type { CallKind } from "./routes.ts";

const KEY = "sk-ant-of-the-tenant-alone";

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What an agent gets of what the endpoint answers; the reason when the broker refuses to hand it on. */
async function handed(kind: CallKind, answers: RequestListener): Promise<Response> {
  const api = createServer(answers);
  const endpoint = new Endpoint(await listening(api));
  const sent = { method: "GET" as const, path: "/v1/messages/batches", body: undefined, headers: {} };
  const broker = createServer((_req, res) => {
    void endpoint
      .send(sent, KEY, AbortSignal.timeout(5000))
      .then((answer) => handOn(answer, res, { kind, key: KEY, onTokens: () => {} }))
      .catch((error: unknown) => res.writeHead(599).end(error instanceof Refused ? error.reason : String(error)));
  });
  const answer = await fetch(await listening(broker), { redirect: "manual" });
  const whole = new Response(await answer.text(), { status: answer.status, headers: answer.headers });
  broker.closeAllConnections();
  broker.close();
  await endpoint.close();
  api.close();
  return whole;
}

describe("the endpoint's answer", () => {
  it("with a batch's results: they are fetched through the broker, wherever the endpoint says that they are", async () => {
    const batch = { id: "b1", results_url: "https://api.anthropic.com/v1/messages/batches/b1/results" };
    const answer = await handed("batch-info", (_req, res) => {
      res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data: [batch] }));
    });
    expect(await answer.json()).toEqual({ data: [{ id: "b1", results_url: "/v1/messages/batches/b1/results" }] });
  });

  it("that repeats the key is handed on without it, and without headers that the agent has no use for", async () => {
    const answer = await handed("message", ({ headers: { authorization = "" } }, res) => {
      const said = { error: { message: `no such key: ${authorization} (${authorization.slice("Bearer ".length)})` } };
      res
        .writeHead(401, { "content-type": "application/json", "x-echo": authorization, "request-id": "req_1" })
        .end(JSON.stringify(said));
    });
    expect(answer.status).toBe(401);
    expect(await answer.json()).toEqual({
      error: { message: "no such key: Bearer [redacted key] ([redacted key])" },
    });
    expect(JSON.stringify([...answer.headers])).not.toContain(KEY);
    expect(answer.headers.get("request-id")).toBe("req_1");
  });

  it("that is a redirect is not handed on: it would lead the agent past the broker", async () => {
    const answer = await handed("message", (_req, res) => {
      res.writeHead(307, { location: "https://elsewhere.example/v1/messages" }).end("go there");
    });
    expect([answer.status, await answer.text(), answer.headers.get("location")]).toEqual([599, "unreachable", null]);
  });
});
