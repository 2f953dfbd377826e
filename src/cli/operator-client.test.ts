import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { callOperation, NotTheLeader, OperationFailed } from "./operator-client.ts";

/** What the caller gets from an operator that answers so. */
async function answeredWith(answer: (response: ServerResponse) => void): Promise<unknown[]> {
  const server = createServer((request, response) => request.resume().on("end", () => answer(response)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const lines: unknown[] = [];
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for await (const line of callOperation(url, "something", {})) lines.push(line);
    return lines;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("lines come as they were sent, however they were cut", async () => {
  const text = Buffer.from('{"text":"grüße"}\n{"n":2}\n{"done":true}\n');
  const lines = await answeredWith((response) => {
    for (let i = 0; i < text.length; i += 3) response.write(text.subarray(i, i + 3));
    response.end();
  });
  expect(lines).toEqual([{ text: "grüße" }, { n: 2 }]);
});

test("rows that have a field named done or error are rows", async () => {
  const rows = [
    { type: "run", error: { type: "timeout", message: "m" } },
    { type: "x", done: true },
  ];
  const lines = await answeredWith((response) =>
    response.end([...rows, { done: true }].map((it) => `${JSON.stringify(it)}\n`).join("")),
  );
  expect(lines).toEqual(rows);
});

test.each([
  [
    "an error at the end",
    (it: ServerResponse) => it.end('{"error":{"reason":"Busy","message":"later"}}\n'),
    OperationFailed,
    "later",
  ],
  [
    "a refusal",
    (it: ServerResponse) => it.writeHead(400).end('{"detail":"user: is wrong"}'),
    OperationFailed,
    "user: is wrong",
  ],
  [
    "an operator that does not lead",
    (it: ServerResponse) => it.writeHead(409).end('{"detail":"ask b"}'),
    NotTheLeader,
    "ask b",
  ],
  [
    "something else on that port",
    (it: ServerResponse) => it.writeHead(404).end("<html>"),
    OperationFailed,
    "answered 404",
  ],
  ["an answer without its end", (it: ServerResponse) => it.end('{"n":1}\n'), Error, "broke"],
  ["an answer cut in the middle of a line", (it: ServerResponse) => it.end('{"n":1}\n{"do'), Error, "broke"],
  ["a connection that breaks", (it: ServerResponse) => it.write('{"n":1}\n', () => it.destroy()), Error, "broke"],
])("%s is an error that says so", async (_what, answer, kind, message) => {
  const failure = (await answeredWith((response) => void answer(response)).catch((error: unknown) => error)) as Error;
  expect(failure).toBeInstanceOf(kind);
  expect(failure.message).toContain(message);
});
