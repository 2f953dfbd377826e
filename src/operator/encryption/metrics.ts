import { Gauge, type Registry } from "prom-client";

/** How many data keys each key-encryption key wraps: one that wraps none may be removed. */
export class EncryptionMetrics {
  readonly #keys: Gauge<"kek" | "current">;

  constructor(registry: Registry) {
    this.#keys = new Gauge({
      name: "agentpg_data_keys",
      help: "Data keys that each key-encryption key wraps, of retained tenants too; current (true, false) tells whether it is the one in use.",
      labelNames: ["kek", "current"],
      registers: [registry],
    });
  }

  set(counts: ReadonlyMap<string, number>, current: string): void {
    this.#keys.reset();
    this.#keys.set({ kek: current, current: "true" }, counts.get(current) ?? 0);
    for (const [kek, count] of counts) if (kek !== current) this.#keys.set({ kek, current: "false" }, count);
  }
}
