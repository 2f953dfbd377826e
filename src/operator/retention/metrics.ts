import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Removed } from "../../database/lifecycle/removed.ts";

/** What retention does, over all tenants; per tenant only when it last went well, which is what one is alerted by. */
export class RetentionMetrics {
  readonly #rows: Counter<"kind">;
  readonly #failures: Counter;
  readonly #seconds: Histogram;
  readonly #success: Gauge<"tenant">;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#rows = new Counter({
      name: "agentpg_retention_rows_removed_total",
      help: "Rows that retention removed, by kind: sessions, runs, messages, toolExecutions, archivedMessages, auditRows.",
      labelNames: ["kind"],
      registers,
    });
    this.#failures = new Counter({
      name: "agentpg_retention_failures_total",
      help: "Retention runs of a tenant that failed.",
      registers,
    });
    this.#seconds = new Histogram({
      name: "agentpg_retention_duration_seconds",
      help: "How long a retention run of one tenant took, in seconds.",
      buckets: [0.1, 0.5, 1, 5, 30, 120, 600, 3600],
      registers,
    });
    this.#success = new Gauge({
      name: "agentpg_retention_last_success_timestamp_seconds",
      help: "When a tenant's last retention run succeeded, in seconds since the epoch.",
      labelNames: ["tenant"],
      registers,
    });
  }

  succeeded(tenant: string, removed: Removed, seconds: number): void {
    for (const [kind, count] of Object.entries(removed)) this.#rows.inc({ kind }, count);
    this.#seconds.observe(seconds);
    this.lastSuccess(tenant, Date.now());
  }

  lastSuccess(tenant: string, ms: number): void {
    this.#success.set({ tenant }, ms / 1000);
  }

  failed(): void {
    this.#failures.inc();
  }

  forget(tenant: string): void {
    this.#success.remove({ tenant });
  }
}
