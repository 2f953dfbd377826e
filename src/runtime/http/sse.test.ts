import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import express from "express";
import { expect, test } from "vitest";
import type { PlacedEvent } from "../engine/events.ts";
import { EventStream, type StreamLimits } from "./sse.ts";

const words: PlacedEvent = { type: "text.delta", data: { text: "All done." }, at: { seq: 1, part: 1 } };
const end: PlacedEvent = {
  type: "run.completed",
  data: {
    runId: "r",
    state: "completed",
    response: "All done.",
    stopReason: "end_turn",
    error: null,
    tokens: { input: 1, output: 1, cacheRead: 0, cacheWrite: 0 },
    usd: 0,
  },
  at: { seq: 2, part: 0 },
};

/** What a client gets of a stream, write by write. */
async function written(
  work: (stream: EventStream, heard: string[]) => Promise<void>,
  limits: StreamLimits = {},
): Promise<string[]> {
  const heard: string[] = [];
  const app = express().get("/", (_req, res) => void work(new EventStream(res, limits).open(), heard));
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    for await (const chunk of response.body ?? []) heard.push(Buffer.from(chunk).toString());
    return heard;
  } finally {
    server.close();
  }
}

const eventsOf = (chunks: string[]) => chunks.map((it) => [...it.matchAll(/^event: (.*)$/gm)].map(([, name]) => name));

test("the last words of an answer go out with the end, in one write", async () => {
  const chunks = await written(async (stream) => {
    stream.isEnding = () => true;
    stream.send(words);
    for (let i = 0; i < 3; i++) await turn(); // it is being stored
    stream.send(end);
    stream.end();
  });
  expect(eventsOf(chunks)).toEqual([["text.delta", "run.completed"]]);
});

test("words that do not end an answer go out at once", async () => {
  const chunks = await written(async (stream, heard) => {
    stream.send(words);
    while (heard.length === 0) await turn();
    stream.send(end);
    stream.end();
  });
  expect(eventsOf(chunks)).toEqual([["text.delta"], ["run.completed"]]);
});

test("while an answer is stored slowly its last words do not wait for that", async () => {
  const chunks = await written(async (stream, heard) => {
    stream.isEnding = () => true;
    stream.send(words);
    while (heard.length === 0) await sleep(5);
    stream.send(end);
    stream.end();
  });
  expect(eventsOf(chunks)).toEqual([["text.delta"], ["run.completed"]]);
});

test("a stream ends with its token, and says when to come again", async () => {
  let told = false;
  const chunks = await written(
    async (stream) => {
      stream.onGone(() => {
        told = true;
      });
      stream.send(words);
    },
    { until: Date.now() + 200 },
  );
  expect(chunks.join("")).toMatch(/^id: 1\.1\n[^]*\n\nretry: 2000\n\n$/);
  expect(told).toBe(true);
});

test("that a call is over is told once in a stream", async () => {
  const over: PlacedEvent = { type: "tool.finished", data: { toolUseId: "t", name: "n", isError: false }, at: end.at };
  const chunks = await written(async (stream) => {
    for (const event of [over, over, end]) stream.send(event);
    stream.end();
  });
  expect(eventsOf(chunks).flat()).toEqual(["tool.finished", "run.completed"]);
});

/** A client that asks and reads nothing before it is told to, and what becomes of the stream. */
async function unread(stalledMs: number, work: (stream: EventStream) => void) {
  const gone = Promise.withResolvers<void>();
  const app = express().get("/", (_req, res) => {
    res.once("close", gone.resolve);
    work(new EventStream(res, { stalledMs }).open());
  });
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
  client.pause().write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const close = () => {
    client.destroy();
    server.close();
  };
  return { client, gone: gone.promise, close };
}
const LONG: PlacedEvent = { ...words, data: { text: "x".repeat(30_000_000) } };

test.each(["under way", "over"])("a client that takes nothing is let go, from a run that is %s", async (run) => {
  const { gone, close } = await unread(100, (stream) => {
    stream.send(LONG);
    if (run === "over") stream.end();
  });
  try {
    await gone;
  } finally {
    close();
  }
});

test("a client that reads slowly gets all", async () => {
  const { client, close } = await unread(1000, (stream) => {
    stream.send(LONG);
    stream.send(end);
    stream.end();
  });
  try {
    let got = 0;
    let last = "";
    for await (const chunk of client as AsyncIterable<Buffer>) {
      got += chunk.length;
      last = last.slice(-500) + chunk.subarray(-500).toString();
      if (last.includes("run.completed")) break;
      await sleep(3);
    }
    expect(got).toBeGreaterThan(30_000_000);
  } finally {
    close();
  }
});
