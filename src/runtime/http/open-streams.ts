import type { Response } from "express";
import type { AgentConfig } from "../../api/agent-config.ts";
import { Problem } from "./problems.ts";

/** Streams that a user may hold open in one process, at least: as many as runs may work and wait, when those are more. */
const LEAST = 100;

/** Counts the event streams of each user that are open. */
export class OpenStreams {
  readonly #limit: number;
  readonly #open = new Map<string, number>();

  constructor({ tenantLimits, limits }: Pick<AgentConfig, "tenantLimits" | "limits">) {
    this.#limit = Math.max(LEAST, tenantLimits.concurrentRuns + limits.queuedRuns);
  }

  /** Counts a response as a stream until it is over. @throws Problem 429 */
  count(userId: string, res: Response): void {
    if (res.closed) return;
    const open = this.#open.get(userId) ?? 0;
    if (open >= this.#limit)
      throw new Problem(429, `you have ${open} event streams open here: close some`, { "retry-after": "5" });
    this.#open.set(userId, open + 1);
    res.once("close", () => this.#left(userId));
  }

  #left(userId: string): void {
    const open = (this.#open.get(userId) ?? 1) - 1;
    if (open > 0) this.#open.set(userId, open);
    else this.#open.delete(userId);
  }
}
