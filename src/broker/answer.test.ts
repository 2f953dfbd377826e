import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { handOn } from "./answer.ts";
import { Endpoint } from "./endpoint.ts";

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it("a batch's results are fetched through the broker, wherever the endpoint says that they are", async () => {
  const batch = { id: "b1", results_url: "https://api.anthropic.com/v1/messages/batches/b1/results" };
  const api = createServer((_req, res) => {
    res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data: [batch] }));
  });
  const endpoint = new Endpoint(await listening(api));
  const sent = { method: "GET" as const, path: "/v1/messages/batches", body: undefined, headers: {} };
  const broker = createServer((_req, res) => {
    void endpoint
      .send(sent, "key", AbortSignal.timeout(5000))
      .then((answer) => handOn(answer, res, { kind: "batch-info", key: "key", onTokens: () => {} }));
  });
  const answer: unknown = await (await fetch(await listening(broker))).json();
  broker.closeAllConnections();
  broker.close();
  await endpoint.close();
  api.close();
  expect(answer).toEqual({ data: [{ id: "b1", results_url: "/v1/messages/batches/b1/results" }] });
});
