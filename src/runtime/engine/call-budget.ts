import { NO_SPEND, type Spend } from "../../database/runs/load.ts";
import { type Tokens, tokensInAll } from "../../database/runs/run.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import type { ModelRequest } from "../model/client.ts";
import { costOf } from "../prices.ts";
import type { AskHost } from "./ask.ts";
import { refusedByRunBudget } from "./budget.ts";
import type { Execution } from "./execution.ts";
import { RunFailed } from "./stop.ts";
import { worstOf } from "./worst-case.ts";

/** The run that a call is for. */
export type Asker = Pick<Execution, "run" | "signal" | "spent">;

type Host = Pick<AskHost, "config" | "budget" | "metrics" | "spentByChildren">;
type Counted = Pick<ModelAnswer, "tokens" | "batched">;

/**
 * What one question to the model may cost. It is asked in several attempts, each of which can cost as much as the first: the worst
 * case is reserved for one at a time, and each that has begun to answer is paid for.
 */
export class CallBudget {
  readonly #host: Host;
  readonly #asker: Asker;
  readonly #model: string;
  readonly #worst: Spend;
  #reserved = false;

  constructor(host: Host, asker: Asker, request: ModelRequest) {
    const limited = host.budget.limited || host.config.agentBudget.perRun !== undefined;
    this.#host = host;
    this.#asker = asker;
    this.#model = request.model;
    this.#worst = limited ? worstOf(request) : NO_SPEND;
  }

  /** Before each attempt; an attempt that has cost nothing leaves its reserve to the next. @throws RunFailed, or the signal's reason */
  async reserve(): Promise<void> {
    if (this.#reserved) return;
    const { config, budget } = this.#host;
    const { run, signal } = this.#asker;
    if (config.agentBudget.perRun) await checkRunBudget(this.#host, this.#asker, this.#worst);
    await budget.reserve(this.#worst, signal, run.id);
    this.#reserved = true;
  }

  /** There is an answer; whoever asked counts it to the run. */
  answered(answer: Counted): void {
    const { budget, metrics } = this.#host;
    const usd = costOf(this.#model, answer.tokens);
    budget.answered(this.#asker.run.id, this.#worst, { usd, tokens: tokensInAll(answer.tokens) });
    this.#reserved = false;
    countAnswer(metrics, this.#model, answer);
  }

  /** The answer broke off after so much: the run has cost that too. */
  broken(tokens: Tokens): void {
    this.#asker.spent(this.#model, tokens);
    this.answered({ tokens });
  }

  /** There will be no attempt any more. */
  close(): void {
    if (this.#reserved) this.#host.budget.failed(this.#worst);
    this.#reserved = false;
  }
}

/** @throws RunFailed when the call may cost more than the run has left of its own budget */
export async function checkRunBudget(
  { config, spentByChildren }: Pick<AskHost, "config" | "spentByChildren">,
  { run }: Pick<Asker, "run">,
  worst: Spend,
): Promise<void> {
  const delegates = config.tools.some((it) => it.agent) && run.iteration + run.fence > 1;
  const children = delegates ? await spentByChildren(run.id) : NO_SPEND;
  const spent = { usd: run.usd + children.usd, tokens: tokensInAll(run.tokens) + children.tokens };
  const refusal = refusedByRunBudget(config.agentBudget, spent, worst);
  if (refusal) throw new RunFailed("budget_exceeded", refusal.message);
}

/** What was answered in the metrics. */
export function countAnswer(metrics: RuntimeMetrics, model: string, { tokens, batched }: Counted): void {
  metrics.modelUsd.inc({ model }, costOf(model, tokens, batched));
  if (tokens.input) metrics.modelTokens.inc({ type: "input", model }, tokens.input);
  if (tokens.output) metrics.modelTokens.inc({ type: "output", model }, tokens.output);
  if (tokens.cacheRead) metrics.modelTokens.inc({ type: "cache_read", model }, tokens.cacheRead);
  if (tokens.cacheWrite) metrics.modelTokens.inc({ type: "cache_write", model }, tokens.cacheWrite);
}
