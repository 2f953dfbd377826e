import { Gauge, type Registry } from "prom-client";

/** How many data keys each key-encryption key wraps: one that wraps none may be removed. */
export class EncryptionMetrics {
  readonly #keys: Gauge<"server" | "kek" | "current">;
  /** By server, then by key. What a server said last holds while it is down: a key must not look unused because of that. */
  readonly #counts = new Map<string, ReadonlyMap<string, number>>();

  constructor(registry: Registry) {
    this.#keys = new Gauge({
      name: "agentpg_data_keys",
      help: "Data keys that each key-encryption key wraps, of retained tenants too; current (true, false) tells whether it is the one in use; by database server.",
      labelNames: ["server", "kek", "current"],
      registers: [registry],
    });
  }

  set(server: string, counts: ReadonlyMap<string, number>, current: string): void {
    this.#counts.set(server, counts);
    this.#keys.reset();
    for (const [name, known] of this.#counts)
      for (const [kek, count] of [[current, known.get(current) ?? 0] as const, ...known])
        this.#keys.set({ server: name, kek, current: String(kek === current) }, count);
  }
}
