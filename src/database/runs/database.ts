import type { Pool, PoolClient } from "pg";
import { type SchemaName, tenantDatabaseNames } from "../../api/names.ts";
import { type ConnectionSettings, createPool, type PoolLimits } from "../connection.ts";

/** What the queries of the runtime need. Statements are named, so that the server parses and plans each of them once a connection. */
export interface Queryable {
  query<Row>(name: string, text: string, values?: unknown[]): Promise<Row[]>;
}

export interface PoolGauges {
  total: number;
  idle: number;
  waiting: number;
}

/** One pool and how many calls are on it. */
interface Generation {
  pool: Pool;
  calls: number;
  settings: ConnectionSettings;
}

/**
 * The tenant's database behind credentials that change while it is in use. New credentials are tried first; only when they
 * let us in do calls go to a new pool, and the old one closes after its last call: no call fails for a rotation.
 */
export class AgentDatabase implements Queryable {
  readonly schema: SchemaName;
  readonly #limits: PoolLimits;
  readonly #name: string;
  readonly #onError: (error: Error) => void;
  #current: Generation;

  constructor(
    schema: SchemaName,
    settings: ConnectionSettings,
    name: string,
    limits: PoolLimits,
    onError: (error: Error) => void,
  ) {
    this.schema = schema;
    this.#limits = limits;
    this.#name = name;
    this.#onError = onError;
    this.#current = this.#open(settings);
  }

  #open(settings: ConnectionSettings): Generation {
    const options = `-c search_path=${this.schema},pg_temp`;
    const pool = createPool(settings, this.#name, this.#onError, this.#limits, { options, statement_timeout: 60_000 });
    return { pool, calls: 0, settings };
  }

  get settings(): ConnectionSettings {
    return this.#current.settings;
  }

  get gauges(): PoolGauges {
    const { totalCount, idleCount, waitingCount } = this.#current.pool;
    return { total: totalCount, idle: idleCount, waiting: waitingCount };
  }

  /** Moves to new credentials. @throws when they do not let us in; the old ones stay in use then */
  async rotate(settings: ConnectionSettings): Promise<void> {
    const next = this.#open(settings);
    try {
      await next.pool.query("SELECT 1");
    } catch (error) {
      void next.pool.end().catch(() => {});
      throw error;
    }
    const old = this.#current;
    this.#current = next;
    if (old.calls === 0) void this.#close(old);
  }

  async #on<T>(work: (pool: Pool) => Promise<T>): Promise<T> {
    const generation = this.#current;
    generation.calls++;
    try {
      return await work(generation.pool);
    } finally {
      generation.calls--;
      if (generation !== this.#current && generation.calls === 0) void this.#close(generation);
    }
  }

  async #close(generation: Generation): Promise<void> {
    await generation.pool.end().catch(this.#onError);
  }

  query<Row>(name: string, text: string, values: unknown[] = []): Promise<Row[]> {
    return this.#on(async (pool) => (await pool.query({ name, text, values })).rows as Row[]);
  }

  /** One connection for `work`; it is thrown away when `work` throws, because nobody knows what state it is in. */
  withConnection<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    return this.#on(async (pool) => {
      const client = await pool.connect();
      let broken = true;
      try {
        const result = await work(client);
        broken = false;
        return result;
      } finally {
        client.release(broken);
      }
    });
  }

  async close(): Promise<void> {
    await this.#close(this.#current);
  }
}

/** The schemas and roles of the tenant whose schema this is. */
export const namesOf = (schema: SchemaName) => tenantDatabaseNames(schema);

interface PostgresError {
  code?: string;
  constraint?: string;
}

const TRANSIENT =
  /^(08...|57P0[123]|53300|40001|40P01|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|28P01|28000)$/;

/** Whether the same call may work in a moment: the server restarts, the connection broke, or credentials are being changed. */
export function isTransient(error: unknown): boolean {
  const { code } = error as PostgresError;
  if (code !== undefined) return TRANSIENT.test(code);
  return (
    error instanceof Error &&
    /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/.test(error.message)
  );
}

/** Whether the unique index of this name refused a row. */
export const violates = (error: unknown, index: string): boolean =>
  (error as PostgresError).code === "23505" && (error as PostgresError).constraint === index;
