import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../../../telemetry/log.ts";
import type { OperatorConfig } from "../../config.ts";
import type { Enforcement } from "./verdict.ts";

/** After a probe that found nothing out. */
const AGAIN_SECONDS = 600;

export interface ProbeLoopOptions {
  config: OperatorConfig["networkProbe"];
  probe(signal: AbortSignal): Promise<Enforcement>;
  /** Hears of a result that is not the one before. Must not throw. */
  onChange(): void;
  logger: Logger;
}

/** Tries once in a while whether the cluster enforces NetworkPolicy. Only the leader runs it. */
export class NetworkProbeLoop {
  readonly #options: ProbeLoopOptions;
  #last: { seen: Enforcement; at: Date } | undefined;

  constructor(options: ProbeLoopOptions) {
    this.#options = options;
  }

  /** What was found out, for the whole cluster; undefined before the first probe has ended. */
  enforcement(): Enforcement | undefined {
    return this.#last?.seen;
  }

  /** When that was. */
  probedAt(): Date | undefined {
    return this.#last?.at;
  }

  /** Works until `signal` aborts. Never throws for what the cluster does. */
  async run(signal: AbortSignal): Promise<void> {
    const { enabled, firstAfterSeconds, intervalSeconds } = this.#options.config;
    if (!enabled) return;
    let waitSeconds = firstAfterSeconds;
    for (;;) {
      await sleep(waitSeconds * 1000, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const seen = await this.#options.probe(signal);
      if (signal.aborted) return; // what was cut off is no result
      this.#learn(seen);
      waitSeconds = seen.state === "NotProbed" ? Math.min(AGAIN_SECONDS, intervalSeconds) : intervalSeconds;
    }
  }

  /** What an earlier probe found out stands until another finds out something else. */
  #learn(seen: Enforcement): void {
    const { logger, onChange } = this.#options;
    if (seen.state === "NotProbed") logger.warn({ reason: seen.message }, "the network probe found nothing out");
    else logger.info({ state: seen.state, seen: seen.message }, "the network was probed");
    const before = this.#last?.seen;
    if (seen.state === "NotProbed" && before && before.state !== "NotProbed") return;
    this.#last = { seen, at: new Date() };
    if (before?.state !== seen.state || before.message !== seen.message) onChange();
  }
}
