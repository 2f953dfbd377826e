import type { Session } from "../../database/runs/sessions.ts";

interface Counted {
  /** What of the conversation was counted. */
  version: string;
  tokens: Promise<number>;
  /** By the monotonic clock, in milliseconds. */
  at: number;
}

/** From then on it is counted again: the tools may be others, and the API may say what it did not. Milliseconds. */
const MAX_AGE = 300_000;

/** How many tokens conversations have, as counted last: who asks again and again costs no call of the API. Those asked for last. */
export class CountedContexts {
  readonly #size: number;
  readonly #counted = new Map<string, Counted>();

  constructor(size = 10_000) {
    this.#size = size;
  }

  /** @param count counts the conversation as it is; one that fails is not remembered */
  tokens({ id, compactions }: Session, lastSeq: number, count: () => Promise<number>): Promise<number> {
    const version = `${lastSeq} ${compactions}`;
    const found = this.#counted.get(id);
    this.#counted.delete(id);
    const now = performance.now();
    const isGood = found?.version === version && now - found.at < MAX_AGE;
    const counted = isGood ? found : { version, tokens: count(), at: now };
    this.#counted.set(id, counted);
    counted.tokens.catch(() => this.#forget(id, counted));
    const [oldest] = this.#counted.keys();
    if (this.#counted.size > this.#size && oldest !== undefined) this.#counted.delete(oldest);
    return counted.tokens;
  }

  #forget(id: string, counted: Counted): void {
    if (this.#counted.get(id) === counted) this.#counted.delete(id);
  }
}
