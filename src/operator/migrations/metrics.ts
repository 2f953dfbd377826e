import { Gauge, Histogram, type Registry } from "prom-client";
import type { RolloutPicture } from "./rollout.ts";
import { countTenants, rolloutPhase } from "./summary.ts";

export class MigrationMetrics {
  readonly #duration: Histogram<"result">;
  #picture: () => RolloutPicture | undefined = () => undefined;

  constructor(registry: Registry) {
    const picture = () => this.#picture();
    new Gauge({
      name: "agentpg_tenant_migrations",
      help: "Tenants by the state of their schema's migrations: current, running, waiting, failed. Told by the leader.",
      labelNames: ["state"],
      registers: [registry],
      collect() {
        const seen = picture();
        if (seen) for (const [state, count] of Object.entries(countTenants(seen))) this.set({ state }, count);
      },
    });
    new Gauge({
      name: "agentpg_migration_rollout_state",
      help: "1 for what the migration rollout is in, else 0: complete, running, paused. Told by the leader.",
      labelNames: ["state"],
      registers: [registry],
      collect() {
        const seen = picture();
        const phases = ["complete", "running", "paused"] as const;
        if (seen) for (const state of phases) this.set({ state }, rolloutPhase(seen) === state ? 1 : 0);
      },
    });
    this.#duration = new Histogram({
      name: "agentpg_tenant_migration_duration_seconds",
      help: "How long the migration of one tenant took, in seconds, by result: succeeded, failed, blocked.",
      labelNames: ["result"],
      buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers: [registry],
    });
  }

  /** Takes the numbers from this picture whenever they are asked for; undefined while nothing is known. */
  observe(picture: () => RolloutPicture | undefined): void {
    this.#picture = picture;
  }

  startMigration(): (result: "succeeded" | "failed" | "blocked") => void {
    const stop = this.#duration.startTimer();
    return (result) => void stop({ result });
  }
}
