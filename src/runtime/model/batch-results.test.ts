import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { silentLogger } from "../../telemetry/log.ts";
import { Watched } from "../../process/watched.ts";
import { Claude } from "./client.ts";

let server: Server;
let written = 0;
let closed = Promise.withResolvers<void>();
afterEach(() => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))));

/** A batch that is over, whose results are these lines for as long as somebody reads them. */
async function batchesWith(lines: () => Iterable<string>) {
  written = 0;
  closed = Promise.withResolvers();
  server = createServer((req, res) => {
    if (req.url?.endsWith("/results")) return void writeAll(res, lines());
    const results_url = "/v1/messages/batches/b/results";
    res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ id: "b", results_url }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const apiKey = await new Watched(async () => "sk-ant-test").start();
  apiKey.stop();
  const baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return new Claude({ apiKey, baseURL, stallMs: 5000, log: silentLogger }).batches;
}

async function writeAll(res: ServerResponse, lines: Iterable<string>): Promise<void> {
  res.on("close", () => closed.resolve());
  res.writeHead(200, { "content-type": "application/x-jsonl" });
  for (const line of lines) {
    if (res.destroyed) return;
    written += line.length;
    if (!res.write(line)) await Promise.race([once(res, "drain"), closed.promise]);
  }
  res.end();
}

function* endless() {
  const message = { content: [{ type: "text", text: "x".repeat(10_000) }], usage: {} };
  for (let i = 0; ; i++) yield `${JSON.stringify({ custom_id: `run${i}`, result: { type: "succeeded", message } })}\n`;
}

test("results are read as they come, no more of them than are wanted", async () => {
  const batches = await batchesWith(endless);
  let read = 0;
  for await (const [id] of batches.results("b")) {
    expect(id).toBe(`run${read}`);
    if (++read === 1000) break;
  }
  await closed.promise;
  expect(read).toBe(1000);
  expect(written).toBeLessThan(1000 * 10_100 + 16 * 1024 * 1024); // what was on its way
});

test("a line without an end is given up", async () => {
  const batches = await batchesWith(function* () {
    for (;;) yield "x".repeat(1024 * 1024);
  });
  const all = (async () => {
    for await (const _ of batches.results("b")) expect.unreachable();
  })();
  await expect(all).rejects.toThrow(/a line of the answer has more than 8388608 bytes/);
  await closed.promise;
});
