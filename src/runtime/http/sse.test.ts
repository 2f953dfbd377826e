import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import express from "express";
import { expect, test } from "vitest";
import type { PlacedEvent } from "../engine/events.ts";
import { EventStream } from "./sse.ts";

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
async function written(work: (stream: EventStream, heard: string[]) => Promise<void>): Promise<string[]> {
  const heard: string[] = [];
  const app = express().get("/", (_req, res) => void work(new EventStream(res).open(), heard));
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
