import { Gauge, type Registry } from "prom-client";
import type { AgentConfig } from "../../api/agent-config.ts";
import type { Spend } from "../../database/runs/load.ts";

/** What the gauges read when they are scraped. Must not throw: one that does fails the whole scrape. */
export interface GaugeSources {
  ready: () => boolean;
  active: () => number;
  queued: () => number;
  inBatches: () => number;
  budgetRatio: () => number;
  /** What the tenant has spent, over all its agents. */
  spent: () => Record<Period, Spend>;
  pool: () => { max: number; total: number; idle: number; waiting: number };
  /** Of the configuration: they do not change while the process lives. */
  limits: { concurrentRuns: number; queuedRuns: number; budget: AgentConfig["budget"] };
}

type Period = "day" | "month";

/** An MCP server as it is now. */
export interface McpState {
  name: string;
  connected: boolean;
  tools: number;
  leftOut: number;
}

export function observeProcess(registry: Registry, sources: GaugeSources): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  const { pool, limits } = sources;
  gauge("agentpg_ready", "1 while this process takes requests, 0 while /readyz says why it does not.", () =>
    Number(sources.ready()),
  );
  gauge("agentpg_runs_active", "Runs that this process works on.", sources.active);
  gauge(
    "agentpg_concurrent_runs_limit",
    "Runs of this agent that may be worked on at once, over all its pods.",
    () => limits.concurrentRuns,
  );
  gauge("agentpg_queue_depth", "Runs of this agent that wait for a worker, over all its pods.", sources.queued);
  gauge(
    "agentpg_queue_limit",
    "Runs of this agent that may wait (limits.queuedRuns); more are refused with 429.",
    () => limits.queuedRuns,
  );
  gauge(
    "agentpg_runs_awaiting_batch",
    "Runs of this agent that wait for a message batch; told by the process that looks after them, 0 by the others.",
    sources.inBatches,
  );
  gauge("agentpg_budget_ratio", "Spent part of the tenant's tightest budget; 0 without a budget.", sources.budgetRatio);
  gauge("agentpg_database_connections", "Open connections of this process.", () => pool().total);
  gauge("agentpg_database_connections_idle", "Idle connections of this process.", () => pool().idle);
  gauge("agentpg_database_connections_limit", "Connections that this process may open now.", () => pool().max);
  gauge("agentpg_database_waiting", "Calls that wait for a connection.", () => pool().waiting);
  observeSpend(registry, sources);
}

function observeSpend(registry: Registry, { spent, limits: { budget } }: GaugeSources): void {
  const gauge = (name: string, help: string, read: (period: Period) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames: ["period"],
      registers: [registry],
      collect() {
        for (const period of ["day", "month"] as const) {
          const value = read(period);
          if (value !== undefined) this.set({ period }, value);
        }
      },
    });
  const limitOf = (period: Period) => (period === "day" ? budget.perDay : budget.perMonth);
  const whole = "over all its agents, in this UTC period (day, month)";
  gauge("agentpg_tenant_spent_usd", `What the tenant has spent in US dollars, ${whole}.`, (it) => spent()[it].usd);
  gauge("agentpg_tenant_spent_tokens", `What the tenant has spent in tokens, ${whole}.`, (it) => spent()[it].tokens);
  gauge(
    "agentpg_tenant_budget_usd",
    "The tenant's budget in US dollars by UTC period (day, month); absent where there is none.",
    (it) => (limitOf(it)?.usd === undefined ? undefined : Number(limitOf(it)?.usd)),
  );
  gauge(
    "agentpg_tenant_budget_tokens",
    "The tenant's budget in tokens by UTC period (day, month); absent where there is none.",
    (it) => limitOf(it)?.tokens,
  );
}

/** @param read the agent's MCP servers as they are now; called at each scrape */
export function observeMcp(registry: Registry, read: () => McpState[]): void {
  const gauge = (name: string, help: string, value: (it: McpState) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["server"],
      registers: [registry],
      collect() {
        for (const it of read()) this.set({ server: it.name }, value(it));
      },
    });
  gauge("agentpg_mcp_connected", "1 when the MCP server answered as its tools were last listed, else 0.", (it) =>
    Number(it.connected),
  );
  gauge("agentpg_mcp_tools", "Tools of the MCP server that the model is offered.", (it) => it.tools);
  gauge(
    "agentpg_mcp_tools_left_out",
    "Allowed tools that the server lacks or that cannot be offered; /status says why.",
    (it) => it.leftOut,
  );
}
