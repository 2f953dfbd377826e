import { setTimeout as sleep } from "node:timers/promises";
import type { QueuedRun } from "../../database/runs/run.ts";
import type { Logger } from "../../telemetry/log.ts";

/** What the claimer needs of the engine. */
export interface ClaimerHost {
  log: Logger;
  /** How often the queue is looked at, in milliseconds, when no hint comes. */
  pollMs: number;
  /** How many runs may be begun now. */
  room(): number;
  /** Looks again at what takes the room elsewhere, unless that was done within so many milliseconds. */
  lookForRoom(ms: number): Promise<void>;
  claim(room: number): Promise<QueuedRun[]>;
  /** Begins to work on a claimed run. Must not throw. */
  resume(run: QueuedRun): Promise<void>;
}

/** Runs that are taken at once, at most: the others are left for other pods. */
const MOST_AT_ONCE = 20;

/** How old the figures may be that say there is no room, in milliseconds: when there is work as it seems, and otherwise. */
const STALE_MS = { nudged: 1000, polled: 2000 };

/** Looks for work: when it is nudged, and every so often. */
export class Claimer {
  readonly #host: ClaimerHost;
  #nudge: () => void = () => {};
  #stopped = false;
  /** There may be queued runs that this process can take: set when one was queued or found. */
  #mayBeMore = false;
  #taking = 0;
  #claiming: Promise<unknown> = Promise.resolve();

  constructor(host: ClaimerHost) {
    this.#host = host;
  }

  /** Runs that are being taken: they take room already. */
  get taking(): number {
    return this.#taking;
  }
  get mayBeMore(): boolean {
    return this.#mayBeMore;
  }

  /** Settles when it is known what the claim under way takes. */
  async settled(): Promise<void> {
    await this.#claiming;
  }

  /** Looks for work now. */
  nudge(): void {
    this.#nudge();
  }

  /** A run was queued. */
  queued(): void {
    this.#mayBeMore = true;
    this.#nudge();
  }

  stop(): void {
    this.#stopped = true;
    this.#nudge();
  }

  /** Runs until {@link stop}. */
  async run(): Promise<void> {
    const { log, pollMs } = this.#host;
    let cause: keyof typeof STALE_MS = "nudged";
    while (!this.#stopped) {
      const nudged = new Promise<"nudged">((resolve) => (this.#nudge = () => resolve("nudged")));
      const full = await this.#claimSome(STALE_MS[cause]).catch((error) => {
        log.warn({ err: error }, "the queue could not be read");
        return false;
      });
      if (!full) cause = await Promise.race([nudged, sleep(pollMs * (0.8 + Math.random() * 0.2), "polled" as const)]);
    }
  }

  /** @returns whether there may be more */
  async #claimSome(staleMs: number): Promise<boolean> {
    if (this.#host.room() <= 0) await this.#host.lookForRoom(staleMs);
    const room = Math.min(MOST_AT_ONCE, this.#host.room());
    if (room <= 0) return false;
    this.#mayBeMore = false;
    this.#taking += room;
    let taken = room;
    try {
      const claim = this.#host.claim(room);
      this.#claiming = claim.catch(() => {});
      const runs = await claim;
      this.#taking -= room - runs.length; // what it did not take is free
      taken = runs.length;
      if (runs.length > 0) this.#mayBeMore = true; // behind it in its session there may be another
      await Promise.all(runs.map((run) => this.#host.resume(run)));
      return runs.length === room;
    } finally {
      this.#taking -= taken;
    }
  }
}
