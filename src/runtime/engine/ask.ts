import type { Message } from "../../database/runs/run.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import { askPatiently, ModelCallFailed, type Patience } from "../model/ask-patiently.ts";
import type { Model, ModelRequest } from "../model/client.ts";
import type { ModelHealth } from "../model/health.ts";
import type { RuntimeMetrics } from "../metrics.ts";
import type { AgentConfig } from "../../api/agent-config.ts";
import { costOf, worstCostOf } from "../prices.ts";
import type { Tools } from "../tools/registry.ts";
import { refusedByBudget } from "./budget.ts";
import type { Execution } from "./execution.ts";
import type { LoadMonitor } from "./load-monitor.ts";
import { RunFailed } from "./stop.ts";

export interface AskHost {
  config: AgentConfig;
  tools: Tools;
  model: Model;
  health: ModelHealth;
  metrics: RuntimeMetrics;
  load: LoadMonitor;
  refreshKey: () => Promise<unknown>;
  patience?: Patience | undefined;
}

/** Bytes of input; three of them a token is more than real text has, so that the reserve is on the safe side. */
const BYTES_PER_TOKEN = 3;
const REQUEST_OVERHEAD_TOKENS = 500;

/** What the model is asked with this conversation. */
export function requestOf({ config, tools }: Pick<AskHost, "config" | "tools">, messages: Message[]): ModelRequest {
  return {
    model: config.model,
    system: config.systemPrompt,
    tools: [...tools.values()].map((it) => it.definition),
    messages,
    maxTokens: config.maxOutputTokens,
  };
}

/** The most that the call can spend. */
function worstOf(request: ModelRequest): { usd: number; tokens: number } {
  const bytes =
    JSON.stringify(request.messages).length + JSON.stringify(request.tools).length + (request.system?.length ?? 0);
  const input = Math.ceil(bytes / BYTES_PER_TOKEN) + REQUEST_OVERHEAD_TOKENS;
  return { usd: worstCostOf(request.model, input, request.maxTokens), tokens: input + request.maxTokens };
}

/** Asks the model for the next message of an execution, within the tenant's budget, and tells its channel the text as it comes. */
export function askModel(host: AskHost, messages: Message[], execution: Execution): Promise<ModelAnswer> {
  return withinBudget(host, requestOf(host, messages), (request) => talk(host, request, execution));
}

/** Asks something that nobody hears, as a summary is: within the tenant's budget too. @throws RunFailed, or the signal's reason */
export function askAside(host: AskHost, request: ModelRequest, signal: AbortSignal): Promise<ModelAnswer> {
  return withinBudget(host, request, () => askQuietly(host, request, signal));
}

async function withinBudget(
  host: AskHost,
  request: ModelRequest,
  ask: (request: ModelRequest) => Promise<ModelAnswer>,
): Promise<ModelAnswer> {
  const { config, load, metrics } = host;
  const limited = config.budget.perDay !== undefined || config.budget.perMonth !== undefined;
  const worst = limited ? worstOf(request) : { usd: 0, tokens: 0 };
  if (limited) {
    const refusal = refusedByBudget(config.budget, load.spent, load.underway, worst, new Date());
    if (refusal) throw new RunFailed("budget_exceeded", refusal.message);
  }
  load.reserve(worst);
  try {
    const answer = await ask(request);
    const cost = costOf(request.model, answer.tokens);
    const { input, output, cacheRead, cacheWrite } = answer.tokens;
    load.reserve({
      usd: cost, // until the run ends and its spend is settled
      tokens: input + output + cacheRead + cacheWrite,
    });
    const model = request.model;
    metrics.modelUsd.inc({ model }, cost);
    for (const [type, count] of Object.entries({ input, output, cache_read: cacheRead, cache_write: cacheWrite })) {
      if (count) metrics.modelTokens.inc({ type, model }, count);
    }
    return answer;
  } finally {
    load.release(worst);
  }
}

async function talk(host: AskHost, request: ModelRequest, execution: Execution): Promise<ModelAnswer> {
  const { health, metrics, model } = host;
  const asked = performance.now();
  let first = true;
  const held = execution.host.hooks.afterMessage !== undefined; // nobody reads what a hook may still take back
  const asking = {
    onText(text: string) {
      if (first) metrics.firstTokenSeconds.observe((performance.now() - asked) / 1000);
      first = false;
      if (!held) execution.channel.part({ type: "text.delta", data: { text } });
    },
    onRestart: (reason: string) => execution.channel.part({ type: "restarted", data: { reason } }),
    onFailure(failure: Parameters<ModelHealth["failed"]>[0]) {
      metrics.modelErrors.inc({ type: failure.type });
      health.failed(failure);
    },
    keyFingerprint: () => health.key.fingerprint ?? undefined,
    refreshKey: host.refreshKey,
  };
  try {
    const answer = await askPatiently(model, request, asking, execution.signal, host.patience);
    health.succeeded();
    return answer;
  } catch (error) {
    if (error instanceof ModelCallFailed) throw new RunFailed(error.type, error.message, { cause: error.cause });
    throw error;
  }
}

/** Its failures are not the agent's: they say nothing of the model that the agent answers with. */
async function askQuietly(host: AskHost, request: ModelRequest, signal: AbortSignal): Promise<ModelAnswer> {
  const { health, metrics, model } = host;
  const asking = {
    onText: () => {},
    onRestart: () => {},
    onFailure: (failure: Parameters<ModelHealth["failed"]>[0]) => metrics.modelErrors.inc({ type: failure.type }),
    keyFingerprint: () => health.key.fingerprint ?? undefined,
    refreshKey: host.refreshKey,
  };
  try {
    return await askPatiently(model, request, asking, signal, host.patience);
  } catch (error) {
    if (error instanceof ModelCallFailed) throw new RunFailed(error.type, error.message, { cause: error.cause });
    throw error;
  }
}
