import type { Spend } from "../../database/runs/load.ts";
import type { Message, Tokens } from "../../database/runs/run.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import { askPatiently, ModelCallFailed, type Patience } from "../model/ask-patiently.ts";
import type { Model, ModelRequest } from "../model/client.ts";
import type { ModelFailure } from "../model/failure.ts";
import type { ModelHealth } from "../model/health.ts";
import { modelErrorLabel } from "../metrics/labels.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import type { Protection } from "../pii/protection.ts";
import type { AgentConfig } from "../../api/agent-config.ts";
import type { Tools } from "../tools/registry.ts";
import type { AgentTracing } from "../tracing/agent-tracing.ts";
import { exemplarOf } from "../tracing/exemplar.ts";
import { answered, brokenOff } from "../tracing/outcome.ts";
import type { BudgetKeeper } from "./budget-keeper.ts";
import { type Asker, CallBudget } from "./call-budget.ts";
import type { Execution } from "./execution.ts";
import { RunFailed } from "./stop.ts";

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
  const request = requestOf(host, messages);
  return withinBudget(host, execution, request, (budget) => talk(host, request, execution, budget));
}

/** Asks something that nobody hears, as a summary is: within the tenant's budget too. @throws RunFailed, or the signal's reason */
export function askAside(host: AskHost, request: ModelRequest, asker: Asker): Promise<ModelAnswer> {
  return withinBudget(host, asker, request, (budget) => askQuietly(host, request, asker, budget));
}

async function withinBudget(
  host: AskHost,
  asker: Asker,
  request: ModelRequest,
  ask: (budget: CallBudget) => Promise<ModelAnswer>,
): Promise<ModelAnswer> {
  const budget = new CallBudget(host, asker, request);
  await budget.reserve();
  try {
    const answer = await ask(budget);
    budget.answered(answer);
    return answer;
  } finally {
    budget.close();
  }
}

async function talk(
  host: AskHost,
  request: ModelRequest,
  execution: Execution,
  budget: CallBudget,
): Promise<ModelAnswer> {
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
    ...payingFrom(budget),
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

const payingFrom = (budget: CallBudget) => ({
  onBroken: (tokens: Tokens) => budget.broken(tokens),
  beforeAgain: () => budget.reserve(),
});

/** Its failures are not the agent's: they say nothing of the model that the agent answers with. */
async function askQuietly(
  host: AskHost,
  request: ModelRequest,
  { run, signal }: Asker,
  budget: CallBudget,
): Promise<ModelAnswer> {
  const { health, metrics, model } = host;
  const span = host.tracing?.modelCall(run, request);
  const asking = {
    onText: () => {},
    ...payingFrom(budget),
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
