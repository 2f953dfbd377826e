import { setTimeout as sleep } from "node:timers/promises";
import { isTransient } from "../../database/runs/database.ts";
import { patiently } from "../../database/runs/patiently.ts";
import { hasCode, SQLSTATE } from "../../database/sqlstate.ts";

interface Waiting<Item, Outcome> {
  item: Item;
  resolve: (outcome: Outcome) => void;
  reject: (error: unknown) => void;
}

export interface LaneOptions<Item, Outcome> {
  /** Writes them all in one statement. @returns the outcomes in the order of the items */
  apply(items: Item[]): Promise<Outcome[]>;
  /** Items of one key never go together, and keep their order. */
  key(item: Item): string;
  /** Items in one statement at most. */
  most: number;
  /** How long a write is tried again while the database cannot be reached, in milliseconds. */
  patienceMs: number;
  /** From so many items a second on, items are waited for: a statement costs the server the same for one as for ten. */
  gatherFrom: number;
}

/** How long items are waited for at most, in milliseconds, from the start of the write before. */
const GATHER_MS = 6;

/** Whether the database takes nothing now, from nobody; a lock that somebody holds may be in the way of one item alone. */
const isAway = (error: unknown): boolean =>
  isTransient(error) && !hasCode(error, SQLSTATE.lockNotAvailable, SQLSTATE.deadlockDetected);

/**
 * One lane by which things are written: while a statement is under way, further items gather and go together with the next.
 * One alone waits for nobody; many share a statement and a commit, and rows that all of them touch are not fought over inside
 * the process. Many that come one by one are gathered for some milliseconds.
 */
export class Lane<Item, Outcome> {
  readonly #options: LaneOptions<Item, Outcome>;
  #waiting: Waiting<Item, Outcome>[] = [];
  #flushing = false;

  constructor(options: LaneOptions<Item, Outcome>) {
    this.#options = options;
  }

  /** Resolves once the item is committed, or refused. */
  write(item: Item): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#flushing) return;
      this.#flushing = true;
      setImmediate(() => void this.#flush()); // what arrives in the same turn of the loop goes along
    });
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length) {
      const begun = performance.now();
      const batch = this.#batch();
      await this.#apply(batch);
      await this.#gather(batch.length, performance.now() - begun);
    }
    this.#flushing = false;
  }

  /** Pauses for as long as the last items would have taken to come at the rate from which it is worth while: below it, not at all. */
  async #gather(written: number, tookMs: number): Promise<void> {
    const { gatherFrom, most } = this.#options;
    const pause = Math.min(GATHER_MS, (written * 1000) / gatherFrom) - tookMs;
    if (pause >= 1 && this.#waiting.length < most) await sleep(pause);
  }

  #batch(): Waiting<Item, Outcome>[] {
    const { key, most } = this.#options;
    const keys = new Set<string>();
    const batch: Waiting<Item, Outcome>[] = [];
    const later: Waiting<Item, Outcome>[] = [];
    for (const one of this.#waiting) {
      const its = key(one.item);
      if (batch.length < most && !keys.has(its)) batch.push(one);
      else later.push(one);
      keys.add(its);
    }
    this.#waiting = later;
    return batch;
  }

  async #apply(batch: Waiting<Item, Outcome>[]): Promise<void> {
    const { apply, patienceMs } = this.#options;
    try {
      const outcomes = await patiently(() => apply(batch.map((it) => it.item)), patienceMs);
      batch.forEach(({ resolve }, i) => resolve(outcomes[i] as Outcome));
    } catch (error) {
      if (batch.length === 1 || isAway(error)) return batch.forEach(({ reject }) => reject(error));
      for (const one of batch) await this.#apply([one]); // one that cannot be stored must not take the others with it
    }
  }
}
