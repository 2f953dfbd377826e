import type { Response } from "express";
import { eventId, type PlacedEvent } from "../engine/events.ts";

const KEEP_ALIVE_MS = 15_000;

/** Sends events until they end or the client goes; a client that goes stops nothing but this. @param gone aborts when it has */
export async function sendEvents(
  res: Response,
  events: AsyncIterable<PlacedEvent>,
  gone: AbortController,
): Promise<void> {
  res.status(200).set({
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
  res.flushHeaders();
  res.once("close", () => gone.abort());
  const keepAlive = setInterval(() => res.write(": keep-alive\n\n"), KEEP_ALIVE_MS);
  try {
    for await (const { type, data, at } of events) {
      if (gone.signal.aborted) return;
      const room = res.write(`id: ${eventId(at)}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
      if (!room) await Promise.race([drained(res), closed(gone.signal)]);
    }
  } finally {
    clearInterval(keepAlive);
    res.end();
  }
}

const drained = (res: Response): Promise<unknown> => new Promise((resolve) => res.once("drain", resolve));
const closed = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
