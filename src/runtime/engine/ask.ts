import { NO_SPEND, type Spend } from "../../database/runs/load.ts";
import { type Message, tokensInAll } from "../../database/runs/run.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import { askPatiently, ModelCallFailed, type Patience } from "../model/ask-patiently.ts";
import type { Model, ModelRequest } from "../model/client.ts";
import type { ModelFailure } from "../model/failure.ts";
import type { ModelHealth } from "../model/health.ts";
import { modelErrorLabel } from "../metrics/labels.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import type { Protection } from "../pii/protection.ts";
import type { AgentConfig } from "../../api/agent-config.ts";
import { costOf } from "../prices.ts";
import type { Tools } from "../tools/registry.ts";
import type { AgentTracing } from "../tracing/agent-tracing.ts";
import { exemplarOf } from "../tracing/exemplar.ts";
import { answered, brokenOff } from "../tracing/outcome.ts";
import { refusedByRunBudget } from "./budget.ts";
import type { BudgetKeeper } from "./budget-keeper.ts";
import type { Execution } from "./execution.ts";
import { RunFailed } from "./stop.ts";
import { worstOf } from "./worst-case.ts";

export interface AskHost {
  config: AgentConfig;
  tools: Tools;
  model: Model;
  health: ModelHealth;
  metrics: RuntimeMetrics;
  budget: BudgetKeeper;
  /** Left out: personal data goes as it comes. */
  protection?: Protection | undefined;
  /** Left out: nobody collects traces. */
  tracing?: AgentTracing | undefined;
  /** What the runs have spent that this one asked for, and theirs. */
  spentByChildren: (runId: string) => Promise<Spend>;
  refreshKey: () => Promise<unknown>;
  patience?: Patience | undefined;
}

/** What the model is asked with this conversation. */
export function requestOf(
  { config, tools, protection }: Pick<AskHost, "config" | "tools" | "protection">,
  messages: Message[],
): ModelRequest {
  return {
    model: config.model,
    system: config.systemPrompt,
    tools: [...tools.values()].map((it) => it.definition),
    messages: protection ? protection.outgoing(messages) : messages,
    maxTokens: config.maxOutputTokens,
  };
}

/** Asks the model for the next message of an execution, within the tenant's budget, and tells its channel the text as it comes. */
export function askModel(host: AskHost, messages: Message[], execution: Execution): Promise<ModelAnswer> {
  return withinBudget(host, execution, requestOf(host, messages), (request) => talk(host, request, execution));
}

/** Asks something that nobody hears, as a summary is: within the tenant's budget too. @throws RunFailed, or the signal's reason */
export function askAside(host: AskHost, request: ModelRequest, asker: Asker): Promise<ModelAnswer> {
  return withinBudget(host, asker, request, () => askQuietly(host, request, asker));
}

/** The run that a call is for. */
export type Asker = Pick<Execution, "run" | "signal">;

async function withinBudget(
  host: AskHost,
  asker: Asker,
  request: ModelRequest,
  ask: (request: ModelRequest) => Promise<ModelAnswer>,
): Promise<ModelAnswer> {
  const { budget, config } = host;
  const limited = budget.limited || config.agentBudget.perRun !== undefined;
  const worst = limited ? worstOf(request) : NO_SPEND;
  if (config.agentBudget.perRun) await checkRunBudget(host, asker, worst);
  await budget.reserve(worst, asker.signal);
  let answer: ModelAnswer;
  try {
    answer = await ask(request);
  } catch (error) {
    budget.failed(worst);
    throw error;
  }
  const usd = costOf(request.model, answer.tokens);
  budget.answered(asker.run.id, worst, { usd, tokens: tokensInAll(answer.tokens) });
  countAnswer(host.metrics, request.model, answer);
  return answer;
}

/** @throws RunFailed when the call may cost more than the run has left of its own budget */
export async function checkRunBudget(
  { config, spentByChildren }: AskHost,
  { run }: Asker,
  worst: Spend,
): Promise<void> {
  const delegates = config.tools.some((it) => it.agent) && run.iteration + run.fence > 1;
  const children = delegates ? await spentByChildren(run.id) : NO_SPEND;
  const spent = { usd: run.usd + children.usd, tokens: tokensInAll(run.tokens) + children.tokens };
  const refusal = refusedByRunBudget(config.agentBudget, spent, worst);
  if (refusal) throw new RunFailed("budget_exceeded", refusal.message);
}

/** The answer in the metrics. */
export function countAnswer(metrics: RuntimeMetrics, model: string, { tokens, batched }: ModelAnswer): void {
  metrics.modelUsd.inc({ model }, costOf(model, tokens, batched));
  if (tokens.input) metrics.modelTokens.inc({ type: "input", model }, tokens.input);
  if (tokens.output) metrics.modelTokens.inc({ type: "output", model }, tokens.output);
  if (tokens.cacheRead) metrics.modelTokens.inc({ type: "cache_read", model }, tokens.cacheRead);
  if (tokens.cacheWrite) metrics.modelTokens.inc({ type: "cache_write", model }, tokens.cacheWrite);
}

async function talk(host: AskHost, request: ModelRequest, execution: Execution): Promise<ModelAnswer> {
  const { health, metrics, model } = host;
  const asked = performance.now();
  const exemplar = exemplarOf(execution.run.trace);
  const span = host.tracing?.modelCall(execution.run, request);
  let first = true;
  const held = execution.host.hooks.afterMessage !== undefined; // nobody reads what a hook may still take back
  let redactor = host.protection?.stream();
  const tell = (text: string) => {
    if (text && !held) execution.channel.part({ type: "text.delta", data: { text } });
  };
  const asking = {
    onText(text: string) {
      if (first) metrics.firstToken((performance.now() - asked) / 1000, exemplar);
      first = false;
      tell(redactor ? redactor.push(text) : text);
    },
    onRestart(reason: string) {
      redactor = host.protection?.stream();
      execution.channel.part({ type: "restarted", data: { reason } });
    },
    onFailure(failure: ModelFailure) {
      metrics.modelFailed(failure);
      span?.event("attempt_failed", { "error.type": modelErrorLabel(failure.type) });
      health.failed(failure);
    },
    onRetry: ({ kind }: ModelFailure) => metrics.modelRetries.inc({ kind }),
    keyFingerprint: () => health.key.fingerprint ?? undefined,
    refreshKey: host.refreshKey,
  };
  const called = metrics.modelCalled();
  try {
    const answer = await askPatiently(model, request, asking, execution.signal, host.patience);
    called("answered", exemplar);
    span?.end(answered(answer));
    health.succeeded();
    if (redactor) tell(redactor.end());
    return answer;
  } catch (error) {
    called("failed", exemplar);
    span?.end(brokenOff(error, execution.signal));
    if (error instanceof ModelCallFailed) throw new RunFailed(error.type, error.message, { cause: error.cause });
    throw error;
  }
}

/** Its failures are not the agent's: they say nothing of the model that the agent answers with. */
async function askQuietly(host: AskHost, request: ModelRequest, { run, signal }: Asker): Promise<ModelAnswer> {
  const { health, metrics, model } = host;
  const span = host.tracing?.modelCall(run, request);
  const asking = {
    onText: () => {},
    onRestart: () => {},
    onFailure: (failure: ModelFailure) => metrics.modelFailed(failure),
    onRetry: ({ kind }: ModelFailure) => metrics.modelRetries.inc({ kind }),
    keyFingerprint: () => health.key.fingerprint ?? undefined,
    refreshKey: host.refreshKey,
  };
  try {
    const answer = await askPatiently(model, request, asking, signal, host.patience);
    span?.end(answered(answer));
    return answer;
  } catch (error) {
    span?.end(brokenOff(error, signal));
    if (error instanceof ModelCallFailed) throw new RunFailed(error.type, error.message, { cause: error.cause });
    throw error;
  }
}
