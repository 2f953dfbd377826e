import { EventEmitter } from "node:events";
import type { Response } from "express";
import { expect, test } from "vitest";
import { OpenStreams } from "./open-streams.ts";

const aResponse = (closed = false) => Object.assign(new EventEmitter(), { closed }) as unknown as Response;

test("a user has so many streams open and no more, and each that is over makes room", () => {
  const streams = new OpenStreams({ tenantLimits: { concurrentRuns: 1 }, limits: { queuedRuns: 1 } } as never);
  const open = Array.from({ length: 100 }, () => aResponse());
  for (const res of open) streams.count("ann", res);
  expect(() => streams.count("ann", aResponse())).toThrow(expect.objectContaining({ status: 429 }));
  streams.count("bob", aResponse());
  open[0]?.emit("close");
  streams.count("ann", aResponse(true)); // it went before: it is none
  streams.count("ann", aResponse());
  expect(() => streams.count("ann", aResponse())).toThrow("you have 100 event streams open");
});

test("where more runs may work and wait, a user may follow them all", () => {
  const streams = new OpenStreams({ tenantLimits: { concurrentRuns: 50 }, limits: { queuedRuns: 100 } } as never);
  for (let i = 0; i < 150; i++) streams.count("ann", aResponse());
  expect(() => streams.count("ann", aResponse())).toThrow("you have 150");
});
