import type { Logger } from "../../telemetry/log.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import type { Annotations, Hook, HookContext, HookPlace, Ruling } from "./hook.ts";
import { type AnyVerdict, annotationsOf, readVerdict } from "./verdict.ts";

export interface HooksHost {
  tenant: string;
  agent: string;
  metrics: Pick<RuntimeMetrics, "hooks">;
  log: Logger;
}

/** What one place asks of each hook, and how it takes a change. `T` is what goes from hook to hook. */
export interface Round<T> {
  copy(value: T): T;
  ask(hook: Hook, value: T, context: HookContext): unknown;
  /** @throws when the change is none */
  take(change: Record<string, unknown>, value: T): T;
}

class HookTimeout extends Error {
  override name = "HookTimeout";
}

const isLater = (answer: unknown): answer is PromiseLike<unknown> =>
  typeof (answer as PromiseLike<unknown> | undefined)?.then === "function";

/** The end of a hook's time, or of the run that it is called for. Its signal is made for who asks for it: most hooks answer at once. */
class End {
  readonly #run: AbortSignal;
  readonly #stop = () => this.#made?.abort(this.#run.reason);
  #made: AbortController | undefined;
  #released = false;

  constructor(run: AbortSignal) {
    this.#run = run;
  }

  get controller(): AbortController {
    if (this.#made) return this.#made;
    this.#made = new AbortController();
    if (this.#run.aborted) this.#stop();
    else if (!this.#released) this.#run.addEventListener("abort", this.#stop, { once: true });
    return this.#made;
  }

  release(): void {
    this.#released = true;
    if (this.#made) this.#run.removeEventListener("abort", this.#stop);
  }
}

/** @throws HookTimeout, or why it ended before */
async function inTime(answer: PromiseLike<unknown>, seconds: number, end: AbortController): Promise<unknown> {
  const ended = new Promise<never>((_, reject) => {
    end.signal.addEventListener("abort", () => reject(end.signal.reason), { once: true });
  });
  const timer = setTimeout(() => end.abort(new HookTimeout(`the hook took longer than ${seconds} s`)), seconds * 1000);
  try {
    return await Promise.race([answer, ended]);
  } finally {
    clearTimeout(timer);
  }
}

/** A place where hooks are called, one after the other. */
export class Place<T> {
  readonly #hooks: Hook[];
  readonly #round: Round<T>;
  readonly #host: HooksHost;

  constructor(hooks: Hook[], round: Round<T>, host: HooksHost) {
    this.#hooks = hooks;
    this.#round = round;
    this.#host = host;
  }

  /** @throws the reason of the place's signal, and nothing else */
  async judge(first: T, place: HookPlace): Promise<Ruling<T>> {
    let value = first;
    let annotations: Annotations | undefined;
    for (const hook of this.#hooks) {
      const said = this.#ask(hook, value, place);
      const ruling = said instanceof Promise ? await said : said; // most hooks answer at once
      if (ruling.annotations) annotations = { ...annotations, ...ruling.annotations };
      if (ruling.blocked) return { ...ruling, annotations };
      value = ruling.value;
    }
    return { blocked: false, value, changed: value !== first, annotations };
  }

  /** @throws the reason of the place's signal, and nothing else; so does what it promises */
  #ask(hook: Hook, value: T, place: HookPlace): Ruling<T> | Promise<Ruling<T>> {
    place.signal.throwIfAborted();
    const end = new End(place.signal);
    const { tenant, agent } = this.#host;
    const around = { ...place, tenant, agent };
    const context = hook.readsOnly
      ? around
      : {
          ...around,
          get signal() {
            return end.controller.signal;
          },
        };
    try {
      const answer = this.#round.ask(hook, hook.readsOnly ? value : this.#round.copy(value), context);
      if (isLater(answer)) return this.#later(hook, value, answer, place, end);
      end.release();
      return this.#ruling(hook, value, readVerdict(answer));
    } catch (error) {
      end.release();
      return this.#failed(hook, value, error, place);
    }
  }

  async #later(hook: Hook, value: T, answer: PromiseLike<unknown>, place: HookPlace, end: End): Promise<Ruling<T>> {
    try {
      return this.#ruling(hook, value, readVerdict(await inTime(answer, hook.timeoutSeconds, end.controller)));
    } catch (error) {
      return this.#failed(hook, value, error, place);
    } finally {
      end.release();
    }
  }

  /** @throws when a change is none */
  #ruling(hook: Hook, value: T, verdict: AnyVerdict): Ruling<T> {
    const annotations = annotationsOf(hook.name, verdict.annotations);
    if (verdict.action === "block") {
      this.#count(hook, "blocked");
      return { blocked: true, hook: hook.name, reason: verdict.reason.slice(0, 1000), annotations };
    }
    const made = verdict.action === "change" ? this.#round.take(verdict, value) : value;
    const changed = made !== value;
    this.#count(hook, changed ? "changed" : "allowed");
    return { blocked: false, value: made, changed, annotations };
  }

  /** What goes outside tells nothing of the hook's inside. */
  #failed(hook: Hook, value: T, error: unknown, place: HookPlace): Ruling<T> {
    place.signal.throwIfAborted();
    const late = error instanceof HookTimeout;
    this.#count(hook, late ? "timeout" : "failed");
    this.#host.log.warn({ hook: hook.name, onFailure: hook.onFailure, err: error as Error }, "a hook failed");
    const reason = late ? error.message : "the hook failed";
    const annotations = { [`${hook.name}.failure`]: reason };
    if (hook.onFailure === "Allow") return { blocked: false, value, changed: false, annotations };
    return { blocked: true, hook: hook.name, reason, annotations };
  }

  #count(hook: Hook, outcome: "allowed" | "changed" | "blocked" | "failed" | "timeout"): void {
    this.#host.metrics.hooks.inc({ hook: hook.name, outcome });
  }
}
