import type { Response } from "express";
import {
  eventId,
  isFinalEvent,
  type PlacedEvent,
  type Position,
  type RunChannel,
  type RunEvent,
} from "../engine/events.ts";

const KEEP_ALIVE_MS = 15_000;
/**
 * A client that takes nothing of what it was sent is let go: not before so long, and by twice that. It comes again with
 * `Last-Event-ID`. Longer than between two signs of life, which start the time anew.
 */
const STALLED_MS = 60_000;
/** When a client is to come again, with `Last-Event-ID`, after a stream without a last event: what SSE has `retry` for. */
const COME_AGAIN = "retry: 2000\n\n";
/** How long the last words of an answer wait for it to be stored: most often they go out together with the end, in one write. */
const HOLD_MS = 50;
const GONE = new Error("the client is gone"); // one for all: an error with a stack for each is dear

export interface StreamLimits {
  /** Nobody is told anything from then on. Milliseconds since the epoch. */
  until?: number | undefined;
  stalledMs?: number;
}

/**
 * A response of server-sent events. What is said in one turn of the event loop goes out in one write, the headers with the first
 * of it; the last event goes with the end.
 */
export class EventStream {
  readonly #res: Response;
  readonly #keepAlive: NodeJS.Timeout;
  /** Made when somebody asks for it: most streams are heard to their end. */
  #gone: AbortController | undefined;
  #closed = false;
  readonly #whenGone: (() => void)[] = [];
  #waiting = "";
  #scheduled = false;
  #isWhole = false;
  #draining: Promise<void> | undefined;
  #held: NodeJS.Timeout | undefined;
  readonly #until: number | undefined;
  #expiry: NodeJS.Timeout | undefined;
  /** Calls of which it was told that they are over; once is enough. */
  #finished: Set<string> | undefined;
  /** Whether the end is near, so that what is said now may wait for it a moment. */
  isEnding: () => boolean = () => false;

  constructor(res: Response, { until, stalledMs = STALLED_MS }: StreamLimits = {}) {
    this.#res = res;
    this.#until = until;
    res.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    res.once("close", () => this.#close());
    // Node calls it when neither a write was begun nor any of one was taken for so long.
    res.setTimeout(stalledMs, () => res.destroy());
    this.#keepAlive = setInterval(() => this.#live(), KEEP_ALIVE_MS);
    this.#expire();
    if (res.closed) this.#close(); // it went while its token or its run was looked at
  }

  #close(): void {
    if (this.#closed) return;
    clearInterval(this.#keepAlive);
    clearTimeout(this.#held);
    clearTimeout(this.#expiry);
    this.#closed = true;
    for (const tell of this.#whenGone) tell();
    this.#gone?.abort(GONE);
  }

  #live(): void {
    if (!this.#res.writableNeedDrain) this.#res.write(": keep-alive\n\n");
    this.#expire();
  }

  /** Ends it when its time is over. No timer of its own before that is near: most streams are short. */
  #expire(): void {
    if (this.#until === undefined || this.#expiry) return;
    const left = this.#until - Date.now();
    if (left > KEEP_ALIVE_MS) return;
    this.#expiry = setTimeout(
      () => {
        this.end();
        this.#close();
      },
      Math.max(0, left),
    );
  }

  /** Tells the client at once that it is listened to: the first event may be long in coming. */
  open(): this {
    this.#res.flushHeaders();
    return this;
  }

  /** Aborts when the client has gone, or the response is over. */
  get signal(): AbortSignal {
    this.#gone ??= new AbortController();
    if (this.#closed) this.#gone.abort(GONE);
    return this.#gone.signal;
  }
  get gone(): boolean {
    return this.#closed;
  }
  /** Calls when the client has gone, or the response is over. */
  onGone(tell: () => void): void {
    if (this.#closed) tell();
    else this.#whenGone.push(tell);
  }
  /** The client reads slower than events come. */
  get full(): boolean {
    return this.#draining !== undefined;
  }

  /** @param event without a place before the run begins: whoever comes again then is told all of it */
  send(event: RunEvent & { at?: Position }): void {
    const { type, data, at } = event;
    if ((type === "tool.finished" || type === "delegation.finished") && this.#knows(data.toolUseId)) return;
    this.#isWhole ||= isFinalEvent(event);
    this.#waiting += `${at ? `id: ${eventId(at)}\n` : ""}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      if (this.#held || !this.isEnding()) return this.#flush();
      this.#held = setTimeout(() => this.#flush(), HOLD_MS);
    });
  }

  /** Whether it was told that this call is over; from now on it is. */
  #knows(call: string): boolean {
    this.#finished ??= new Set();
    const known = this.#finished.has(call);
    this.#finished.add(call);
    return known;
  }

  #flush(): void {
    this.#scheduled = false;
    const text = this.#waiting;
    this.#waiting = "";
    if (!text || this.gone || this.#res.writableEnded || this.#res.write(text)) return;
    if (this.#draining) return;
    // Heard from now on: whoever asks later would wait for an event that has passed.
    this.#draining = new Promise((resolve) => {
      const go = () => {
        this.#draining = undefined;
        resolve();
      };
      this.#res.once("drain", go);
      this.onGone(go);
    });
  }

  /** Waits until the client has taken what was written. */
  async drained(): Promise<void> {
    await this.#draining;
  }

  end(): void {
    clearInterval(this.#keepAlive);
    clearTimeout(this.#held);
    clearTimeout(this.#expiry);
    const text = this.#waiting + (this.#isWhole ? "" : COME_AGAIN);
    this.#waiting = "";
    if (!this.gone) this.#res.end(text);
  }
}

/** Sends events until they end or the client goes; a client that goes stops nothing but this. */
export async function sendEvents(stream: EventStream, events: AsyncIterable<PlacedEvent>): Promise<void> {
  try {
    for await (const event of events) {
      if (stream.gone) return;
      stream.send(event);
      if (stream.full) await stream.drained();
    }
  } finally {
    stream.end();
  }
}

/**
 * Sends the events of a run as this process makes them, with nothing in between.
 * @returns where it stopped: when the process let go of the run before its end, or the client reads too slowly to keep for it in
 * memory what the database has; undefined when there is no more to send
 */
export function sendLive(stream: EventStream, channel: RunChannel, from: Position): Promise<Position | undefined> {
  return new Promise((resolve) => {
    stream.isEnding = () => channel.isEnding;
    let at = from;
    let silence = () => {};
    let over = false;
    const finish = (position: Position | undefined) => {
      over = true;
      stream.isEnding = () => false;
      silence();
      resolve(position);
    };
    silence = channel.listen((event) => {
      if (over) return;
      if (stream.gone) return finish(undefined);
      if (!event) return finish(at);
      stream.send(event);
      at = event.at;
      if (isFinalEvent(event)) finish(undefined);
      else if (stream.full) finish(at);
    });
    stream.onGone(() => finish(undefined));
  });
}
