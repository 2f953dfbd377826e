import type { Pool } from "pg";
import type { ConnectionSettings } from "./connection.ts";

/** How many databases beside the operator's own keep connections open. There may be a thousand of them. */
const KEPT = 8;

interface Entry {
  pool: Pool;
  users: number;
}

/**
 * Connections to other databases of the server, as the operator: to the tenants' own, and to the operator's own for what Postgres
 * runs in no transaction. Only those that were used last stay open, and only for the idle time of a pool.
 */
export class TenantDatabases {
  readonly #admin: () => ConnectionSettings;
  readonly #open: (settings: ConnectionSettings) => Pool;
  /** The one used last is the last. */
  readonly #entries = new Map<string, Entry>();
  readonly #onError: (error: Error) => void;

  /** @param admin asked for each pool; its `database` is the operator's own */
  constructor(
    admin: () => ConnectionSettings,
    openPool: (settings: ConnectionSettings, onError: (error: Error) => void) => Pool,
    onError: (error: Error) => void,
  ) {
    this.#admin = admin;
    this.#open = (settings) => openPool(settings, onError);
    this.#onError = onError;
  }

  /** @param database left out: the operator's own */
  async use<T>(database: string | undefined, work: (pool: Pool) => Promise<T>): Promise<T> {
    const name = database ?? this.#admin().database;
    const entry = this.#entries.get(name) ?? { pool: this.#open({ ...this.#admin(), database: name }), users: 0 };
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    entry.users++;
    try {
      return await work(entry.pool);
    } finally {
      entry.users--;
      this.#shrink();
    }
  }

  /** Ends the connections to this database, so that it can be dropped. */
  async forget(database: string): Promise<void> {
    const entry = this.#entries.get(database);
    this.#entries.delete(database);
    await entry?.pool.end();
  }

  /** Work under way ends on its connection; whatever comes next gets a new one. */
  reset(): void {
    for (const name of this.#entries.keys()) this.forget(name).catch(this.#onError);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((name) => this.forget(name)));
  }

  #shrink(): void {
    for (const [name, { users }] of this.#entries) {
      if (this.#entries.size <= KEPT) return;
      if (users === 0) this.forget(name).catch(this.#onError);
    }
  }
}
