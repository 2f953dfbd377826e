import { NO_SPEND, type Spend } from "../database/runs/load.ts";
import { NO_TOKENS, type Tokens, tokensInAll } from "../database/runs/run.ts";
import { ServerEvents } from "../runtime/model/server-events.ts";
import { costOf } from "../runtime/prices.ts";

const count = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;

/** The tokens in a `usage` of the Messages API; what it does not say stays as it was. */
export function tokensOfUsage(usage: unknown, before: Tokens = NO_TOKENS): Tokens {
  const it = (typeof usage === "object" && usage !== null ? usage : {}) as Record<string, unknown>;
  return {
    input: count(it["input_tokens"]) ?? before.input,
    output: count(it["output_tokens"]) ?? before.output,
    cacheRead: count(it["cache_read_input_tokens"]) ?? before.cacheRead,
    cacheWrite: count(it["cache_creation_input_tokens"]) ?? before.cacheWrite,
  };
}

/** Reads along in a streamed answer what it costs. */
export class StreamUsage {
  readonly #events = new ServerEvents();
  #tokens: Tokens = NO_TOKENS;
  /** Each is a token at least: what an answer has cost that is broken off before it says so. */
  #deltas = 0;
  #readable = true;

  push(chunk: Uint8Array): void {
    if (!this.#readable) return;
    try {
      for (const { event, data } of this.#events.push(chunk)) this.#look(event, data);
    } catch {
      this.#readable = false; // no stream of the Messages API: the agent will find that out too
    }
  }

  #look(event: string | null, data: string): void {
    if (event === "content_block_delta") this.#deltas++;
    if (event !== "message_start" && event !== "message_delta") return;
    const { usage, message } = JSON.parse(data) as { usage?: unknown; message?: { usage?: unknown } };
    this.#tokens = tokensOfUsage(message?.usage ?? usage, this.#tokens);
  }

  get tokens(): Tokens {
    return { ...this.#tokens, output: Math.max(this.#tokens.output, this.#deltas) };
  }
}

const plus = (a: Spend, b: Spend): Spend => ({ usd: a.usd + b.usd, tokens: a.tokens + b.tokens });

/** What went through this process by UTC day and month, whatever the agents say of it. Batches are not in it. */
export class Meter {
  #day = "";
  #month = "";
  #spent = { day: NO_SPEND as Spend, month: NO_SPEND as Spend };

  add(model: string, tokens: Tokens, now = new Date()): void {
    const spent = { usd: costOf(model, tokens), tokens: tokensInAll(tokens) };
    const { day, month } = this.spent(now);
    this.#spent = { day: plus(day, spent), month: plus(month, spent) };
  }

  spent(now = new Date()): { day: Spend; month: Spend } {
    const day = now.toISOString().slice(0, 10);
    const month = day.slice(0, 7);
    if (day !== this.#day) this.#spent = { ...this.#spent, day: NO_SPEND };
    if (month !== this.#month) this.#spent = { ...this.#spent, month: NO_SPEND };
    [this.#day, this.#month] = [day, month];
    return this.#spent;
  }
}
