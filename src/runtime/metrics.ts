import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** What the gauges read when they are scraped. Must not throw: one that does fails the whole scrape. */
export interface GaugeSources {
  active: () => number;
  queued: () => number;
  inBatches: () => number;
  budgetRatio: () => number;
  pool: () => { total: number; idle: number; waiting: number };
}

/** The agent's metrics. Labels are bounded: states, tool and model names of the configuration; never a session or a user. */
export class RuntimeMetrics {
  readonly registry = new Registry();
  readonly runs: Counter<"state">;
  readonly runSeconds: Histogram<"state">;
  readonly firstTokenSeconds: Histogram;
  readonly modelTokens: Counter<"type" | "model">;
  readonly modelUsd: Counter<"model">;
  readonly modelErrors: Counter<"type">;
  readonly toolCalls: Counter<"tool" | "outcome">;
  readonly hooks: Counter<"hook" | "outcome">;
  readonly resumed: Counter;
  readonly compactions: Counter<"outcome">;
  readonly batches: Counter<"outcome">;

  constructor(info: { agent: string; model: string; version: string }) {
    const registers = [this.registry];
    const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
    collectDefaultMetrics({ register: this.registry });
    this.runs = new Counter({
      name: "agentpg_runs_total",
      help: "Runs that ended, by state.",
      labelNames: ["state"],
      registers,
    });
    this.runSeconds = new Histogram({
      name: "agentpg_run_duration_seconds",
      help: "From the start of the work on a run here to its end.",
      labelNames: ["state"],
      buckets: seconds,
      registers,
    });
    this.firstTokenSeconds = new Histogram({
      name: "agentpg_time_to_first_token_seconds",
      help: "From asking the model to its first text.",
      buckets: seconds,
      registers,
    });
    this.modelTokens = new Counter({
      name: "agentpg_model_tokens_total",
      help: "Tokens by type: input, output, cache_read, cache_write.",
      labelNames: ["type", "model"],
      registers,
    });
    this.modelUsd = new Counter({
      name: "agentpg_model_usd_total",
      help: "Spend in US dollars, by the price table.",
      labelNames: ["model"],
      registers,
    });
    this.modelErrors = new Counter({
      name: "agentpg_model_errors_total",
      help: "Failed attempts to call the model, by type.",
      labelNames: ["type"],
      registers,
    });
    this.toolCalls = new Counter({
      name: "agentpg_tool_calls_total",
      help: "Tool calls by outcome: ok, error, timeout.",
      labelNames: ["tool", "outcome"],
      registers,
    });
    this.hooks = new Counter({
      name: "agentpg_hooks_total",
      help: "Calls of hooks by outcome: allowed, changed, blocked, failed, timeout.",
      labelNames: ["hook", "outcome"],
      registers,
    });
    this.resumed = new Counter({
      name: "agentpg_runs_resumed_total",
      help: "Runs taken from the queue or from another worker.",
      registers,
    });
    this.compactions = new Counter({
      name: "agentpg_compactions_total",
      help: "Conversations that were too long, by what became of them: pruned, summarised, summary_failed, unchanged, too_full.",
      labelNames: ["outcome"],
      registers,
    });
    this.batches = new Counter({
      name: "agentpg_batches_total",
      help: "Message batches by what became of them: submitted, refused, unanswered (then recovered or not_created), ended, gone, cancelled.",
      labelNames: ["outcome"],
      registers,
    });
    const build = new Gauge({
      name: "agentpg_build_info",
      help: "Always 1.",
      labelNames: ["version", "agent", "model"],
      registers,
    });
    build.set({ version: info.version, agent: info.agent, model: info.model }, 1);
  }

  /** @param read the agent's MCP servers as they are now; called at each scrape */
  observeMcp(read: () => { name: string; connected: boolean; tools: number; leftOut: number }[]): void {
    const gauge = (name: string, help: string, value: (it: ReturnType<typeof read>[0]) => number) =>
      new Gauge({
        name,
        help,
        labelNames: ["server"],
        registers: [this.registry],
        collect() {
          for (const it of read()) this.set({ server: it.name }, value(it));
        },
      });
    gauge("agentpg_mcp_connected", "Whether the MCP server answered when its tools were last listed.", (it) =>
      Number(it.connected),
    );
    gauge("agentpg_mcp_tools", "Tools of the MCP server that the model is offered.", (it) => it.tools);
    gauge(
      "agentpg_mcp_tools_left_out",
      "Allowed tools that the server lacks or that cannot be offered; /status says why.",
      (it) => it.leftOut,
    );
  }

  observe(sources: GaugeSources): void {
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(read());
        },
      });
    gauge("agentpg_runs_active", "Runs that this process works on.", sources.active);
    gauge("agentpg_queue_depth", "Runs of this agent that wait for a worker.", sources.queued);
    gauge(
      "agentpg_runs_awaiting_batch",
      "Runs of this agent that wait for a message batch; told by the process that looks after them, 0 by the others.",
      sources.inBatches,
    );
    gauge(
      "agentpg_budget_ratio",
      "Spent part of the tenant's tightest budget; 0 without a budget.",
      sources.budgetRatio,
    );
    gauge("agentpg_database_connections", "Open connections of this process.", () => sources.pool().total);
    gauge("agentpg_database_connections_idle", "Idle connections of this process.", () => sources.pool().idle);
    gauge("agentpg_database_waiting", "Calls that wait for a connection.", () => sources.pool().waiting);
  }
}
