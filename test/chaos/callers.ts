import { setTimeout as sleep } from "node:timers/promises";
import { AgentApiError, AgentClient, type ReceivedEvent } from "../../src/runtime/client.ts";
import { textOf } from "../runtime/fixture.ts";
import type { Fleet } from "./fleet.ts";
import { type Kind, KINDS, question } from "./questions.ts";
import type { Random } from "../support/random.ts";

/** A run that was asked for. */
export interface Asked {
  kind: Kind;
  token: string;
  /** Known once the agent has taken it. */
  id?: string;
  sessionId?: string;
  /** What the caller was told in the end. */
  end?: { state: string; response: string | null; error: { type: string; message: string } | null };
  /** The text as it was streamed, where the caller listened to all of it. */
  streamed?: string;
}

const TURNS_PER_SESSION = 5;
/** How a caller waits for its answer. */
const WAYS = ["poll", "events", "stream"] as const;

/** Callers that always have one run under way each. They keep at it: what is refused or cut is asked again, with the same key. */
export class Callers {
  readonly asked: Asked[] = [];
  /** Answers that no caller should get: server errors without a promise that trying again helps. */
  readonly complaints: string[] = [];
  readonly #fleet: Fleet;
  readonly #tokens: string[];
  readonly #random: Random;
  readonly #giveUp = new AbortController();
  #stopping = false;
  #running: Promise<void>[] = [];

  constructor(fleet: Fleet, tokens: string[], random: Random) {
    this.#fleet = fleet;
    this.#tokens = tokens;
    this.#random = random;
  }

  start(count: number): void {
    this.#running = Array.from({ length: count }, (_, n) => this.#caller(n));
  }

  /** No new runs; waits for those under way, for so many seconds at most. */
  async finish(seconds: number): Promise<void> {
    this.#stopping = true;
    const timer = setTimeout(() => this.#giveUp.abort(new Error("too late")), seconds * 1000);
    await Promise.all(this.#running);
    clearTimeout(timer);
  }

  get underWay(): number {
    return this.asked.filter((it) => !it.end).length;
  }

  #client(caller: number): AgentClient | undefined {
    const pods = this.#fleet.up("support");
    if (pods.length === 0) return undefined;
    const patience = { attempts: 0 }; // what goes wrong is to be seen here
    return new AgentClient({
      baseUrl: this.#random.pick(pods).process.url,
      token: this.#tokens[caller] ?? "",
      patience,
    });
  }

  /** Until it works; @throws only when the test is over */
  async #patiently<T>(caller: number, what: string, work: (client: AgentClient) => Promise<T>): Promise<T> {
    for (;;) {
      this.#giveUp.signal.throwIfAborted();
      const client = this.#client(caller);
      try {
        if (client) return await work(client);
      } catch (error) {
        if (error instanceof AgentApiError && error.status !== 429 && error.status !== 503)
          this.complaints.push(`${what}: ${error.message}`);
      }
      await sleep(this.#random.between(50, 250));
    }
  }

  async #caller(number: number): Promise<void> {
    try {
      for (let turn = 0, sessionId = ""; !this.#stopping; turn++) {
        if (turn % TURNS_PER_SESSION === 0)
          sessionId = (await this.#patiently(number, "session", (client) => client.createSession())).id;
        await this.#ask(number, sessionId, turn);
      }
    } catch (error) {
      if (!this.#giveUp.signal.aborted) throw error;
    }
  }

  async #ask(number: number, sessionId: string, turn: number): Promise<void> {
    const asked: Asked = { kind: this.#random.pick(KINDS), token: `c${number}t${turn}`, sessionId };
    this.asked.push(asked);
    if (this.#random.pick(WAYS) === "stream") await this.#stream(number, sessionId, asked);
    else await this.#start(number, sessionId, asked);
    asked.end ??= await this.#wait(number, asked);
  }

  /** Asks for the stream; when it breaks, asks again with the same key, and is told from the start. */
  async #stream(number: number, sessionId: string, asked: Asked): Promise<void> {
    await this.#patiently(number, "stream", async (client) => {
      const events: ReceivedEvent[] = [];
      const options = { idempotencyKey: asked.token, signal: this.#giveUp.signal };
      for await (const event of client.run(sessionId, question(asked.kind, asked.token), options)) {
        events.push(event);
        if ("runId" in event.data) asked.id = event.data.runId;
      }
      this.#ended(asked, events);
    });
  }

  async #start(number: number, sessionId: string, asked: Asked): Promise<void> {
    const { id } = await this.#patiently(number, "run", (client) =>
      client.startRun(sessionId, question(asked.kind, asked.token), { idempotencyKey: asked.token }),
    );
    asked.id = id;
    if (this.#random.next() < 0.5) await this.#follow(number, asked);
  }

  /** Listens to the events; where the stream breaks, goes on after the last one, with any process. */
  async #follow(number: number, asked: Asked): Promise<void> {
    const events: ReceivedEvent[] = [];
    await this.#patiently(number, "events", async (client) => {
      const lastEventId = events.at(-1)?.id;
      const options = { signal: this.#giveUp.signal, ...(lastEventId ? { lastEventId } : {}) };
      for await (const event of client.events(asked.id as string, options)) events.push(event);
      this.#ended(asked, events);
    });
  }

  #ended(asked: Asked, events: ReceivedEvent[]): void {
    const last = events.at(-1);
    if (!last || !("state" in last.data)) throw new Error("the stream broke off");
    asked.end = last.data;
    asked.streamed = textOf(events);
  }

  #wait(number: number, asked: Asked): Promise<NonNullable<Asked["end"]>> {
    return this.#patiently(number, "poll", async (client) => {
      const run = await client.getRun(asked.id as string);
      if (!["completed", "failed", "cancelled"].includes(run.state)) throw new Error("not yet");
      return run;
    });
  }
}
