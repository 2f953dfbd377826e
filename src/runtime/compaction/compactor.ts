import type { Tokens } from "../../database/runs/run.ts";
import { RunFailed } from "../engine/stop.ts";
import { windowOf } from "../model/windows.ts";
import { carryOut, write } from "./carry-out.ts";
import type { CompactedWork, CompactorHost } from "./compacted-work.ts";
import { ContextGauge } from "./context-gauge.ts";
import { type ContextLimits, contextLimits } from "./limits.ts";
import { planCompaction, type Sizes } from "./plan.ts";
import type { Entry } from "./protect.ts";
import { setAside } from "./set-aside.ts";
import { estimateMessage, estimateRequest } from "./size.ts";

/** Keeps the conversations of one agent within its model's context window. */
export class Compactor {
  readonly #host: CompactorHost;
  readonly #gauges = new WeakMap<CompactedWork, ContextGauge>();

  constructor(host: CompactorHost) {
    this.#host = host;
  }

  /** Of the agent's model. */
  get limits(): ContextLimits {
    const { config, window } = this.#host;
    return contextLimits(config, window(config.model) ?? windowOf(config.model));
  }

  #gauge(work: CompactedWork): ContextGauge {
    const gauge = this.#gauges.get(work) ?? new ContextGauge();
    this.#gauges.set(work, gauge);
    return gauge;
  }

  /** The model has answered the conversation as it is now. */
  answered(work: CompactedWork, tokens: Tokens): void {
    this.#gauge(work).answered(tokens, work.messages.length);
  }

  /** Before a model call: compacts when the context is as full as the settings say. Costs next to nothing when it is not. */
  async whenFull(work: CompactedWork): Promise<void> {
    if (work.run.batchGroup !== null) return; // the answer to the conversation as it is may be there already
    const gauge = this.#gauge(work);
    const { trigger, target } = this.limits;
    if (gauge.read(work.messages, this.#fixed).atMost < trigger) return;
    const tokens = await this.tokens(work);
    if (tokens >= Math.max(trigger, gauge.quietUntil)) await this.#compact(work, tokens, target);
  }

  /** The API has refused the conversation for its length. @returns whether it is shorter now */
  async whenRefused(work: CompactedWork): Promise<boolean> {
    const tokens = await this.tokens(work);
    return this.#compact(work, tokens, Math.min(this.limits.target, Math.floor(tokens / 2)));
  }

  /** Somebody wants it compacted. @returns about how many tokens it has had */
  async toTarget(work: CompactedWork): Promise<number> {
    const tokens = await this.tokens(work);
    if (tokens > this.limits.target) await this.#compact(work, tokens, this.limits.target);
    return tokens;
  }

  /**
   * The conversation does not fit, whatever is done. What this run has brought is put aside, so that the session can go on.
   * @throws RunFailed, or StopWork `lost`
   */
  async giveUp(work: CompactedWork): Promise<never> {
    const { config, metrics } = this.#host;
    const tokens = await this.tokens(work);
    metrics.compactions.inc({ outcome: "too_full" });
    const aside = setAside(await this.#stored(work), work.run.id);
    if (aside.changed.length) await write(this.#host, work, aside, { outcome: "too_full", tokensBefore: tokens });
    throw new RunFailed(
      "context_full",
      `the conversation is about ${tokens} tokens, ${config.model} takes ${this.limits.window}, and no more of it may be left out: ask something shorter, have the tools answer with less, or begin a new session (compaction.preserveLast and compaction.protectedTokens of the Agent say what always stays)`,
    );
  }

  /** About how many tokens the system prompt and the tools are. */
  readonly #fixed = (): number => estimateRequest(this.#host.request([]));

  /** As the API counts, or, when it does not say, as well as we can tell. */
  async tokens(work: CompactedWork): Promise<number> {
    const { count, request, log } = this.#host;
    const gauge = this.#gauge(work);
    const reading = gauge.read(work.messages, this.#fixed);
    if (reading.exact || work.messages.length === 0) return reading.tokens;
    try {
      const tokens = await count(request([...work.messages]), work.signal);
      gauge.counted(tokens, work.messages.length);
      return tokens;
    } catch (error) {
      work.signal.throwIfAborted();
      log.debug({ run: work.run.id, err: error as Error }, "the API did not count a conversation's tokens");
      return reading.tokens;
    }
  }

  /**
   * The stored conversation; its contents are those that went to the model, to the letter. When the session was compacted just as
   * the run began, the stored one counts: all that the run has said is in it.
   */
  async #stored({ run, messages }: CompactedWork): Promise<Entry[]> {
    const entries = await this.#host.stored(run.sessionId);
    if (entries.length !== messages.length) return entries;
    return entries.map((it, i) => ({ ...it, content: messages[i]?.content ?? it.content }));
  }

  /** @returns whether the conversation is shorter now */
  async #compact(work: CompactedWork, tokens: number, target: number): Promise<boolean> {
    const { config, metrics } = this.#host;
    const { window, trigger, protectedTokens } = this.limits;
    const entries = await this.#stored(work);
    const sizes = this.#sizes(entries, tokens);
    const { preserveLast } = config.compaction;
    const policy = { targetTokens: target, preserveLast, protectedTokens, run: work.run.id };
    const plan = planCompaction(entries, sizes, policy);
    const anything = plan.pruned.length > 0 || plan.summarised.length > 0;
    if (!anything) metrics.compactions.inc({ outcome: "unchanged" });
    const { tokensAfter: after } = anything
      ? await carryOut(this.#host, work, { entries, sizes, tokens, plan })
      : { tokensAfter: tokens };
    if (after < tokens) this.#gauge(work).forget();
    // It is tried again when a quarter of what is left has filled up.
    this.#gauge(work).quietUntil = after >= trigger ? after + Math.max(0, window - after) / 4 : 0;
    return after < tokens;
  }

  /** So that the parts make up the whole that was counted. */
  #sizes(entries: readonly Entry[], tokens: number): Sizes {
    const fixed = this.#fixed();
    const estimated = entries.reduce((sum, it) => sum + estimateMessage(it), fixed);
    const scale = tokens / Math.max(1, estimated);
    return { fixed: fixed * scale, of: (entry) => estimateMessage(entry) * scale };
  }
}
