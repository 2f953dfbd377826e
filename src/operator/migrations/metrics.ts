import { Gauge, Histogram, type Registry } from "prom-client";
import type { RolloutPicture } from "./rollout.ts";
import { countTenants, rolloutPhase } from "./summary.ts";

/** What the rollout on one database server tells. */
export interface RolloutMetrics {
  /** Takes the numbers from this picture whenever they are asked for; undefined while nothing is known. */
  observe(picture: () => RolloutPicture | undefined): void;
  startMigration(): (result: "succeeded" | "failed" | "blocked") => void;
}

export class MigrationMetrics {
  readonly #duration: Histogram<"result" | "server">;
  readonly #pictures = new Map<string, () => RolloutPicture | undefined>();

  constructor(registry: Registry) {
    const pictures = this.#pictures;
    new Gauge({
      name: "agentpg_tenant_migrations",
      help: "Tenants by the state of their schema's migrations: current, running, waiting, failed; by database server. Told by the leader.",
      labelNames: ["server", "state"],
      registers: [registry],
      collect() {
        for (const [server, picture] of pictures) {
          const seen = picture();
          if (seen) for (const [state, count] of Object.entries(countTenants(seen))) this.set({ server, state }, count);
        }
      },
    });
    new Gauge({
      name: "agentpg_migration_rollout_state",
      help: "1 for what the migration rollout is in, else 0: complete, running, paused; by database server. Told by the leader.",
      labelNames: ["server", "state"],
      registers: [registry],
      collect() {
        const phases = ["complete", "running", "paused"] as const;
        for (const [server, picture] of pictures) {
          const seen = picture();
          if (seen) for (const state of phases) this.set({ server, state }, rolloutPhase(seen) === state ? 1 : 0);
        }
      },
    });
    this.#duration = new Histogram({
      name: "agentpg_tenant_migration_duration_seconds",
      help: "How long the migration of one tenant took, in seconds, by result: succeeded, failed, blocked; by database server.",
      labelNames: ["server", "result"],
      buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers: [registry],
    });
  }

  of(server: string): RolloutMetrics {
    return {
      observe: (picture) => void this.#pictures.set(server, picture),
      startMigration: () => {
        const stop = this.#duration.startTimer();
        return (result) => void stop({ server, result });
      },
    };
  }
}
