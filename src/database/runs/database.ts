import type { Pool, PoolClient } from "pg";
import { type SchemaName, tenantDatabaseNames } from "../../api/names.ts";
import { type ConnectionSettings, createPool, type PoolLimits } from "../connection.ts";
import { TranscriptCipher } from "../encryption/cipher.ts";
import { databaseError, DatabaseOutage } from "../errors.ts";
import { withFreshPlans } from "./fresh-plans.ts";
import { fitPool, type PoolSize, whenThereIsRoom } from "./fit-pool.ts";
import { hangUp, Silence } from "./silence.ts";

/**
 * What the queries of the runtime need. Statements are named, so that the server parses and plans each of them once a
 * connection; behind a pooler in transaction mode they have no names, as the next one may run on another connection.
 */
export interface Queryable {
  /** @param silentMs for how long the server may say nothing before the connection is taken for dead, in milliseconds */
  query<Row>(name: string, text: string, values?: unknown[], silentMs?: number): Promise<Row[]>;
}

/** How long an answer may take to a statement that finds all it needs by an index, in milliseconds: longer than a lock is waited for. */
export const ANSWER_MS = 20_000;
/** When the server itself ends a statement, in milliseconds. */
const STATEMENT_MS = 60_000;
/** How long an answer may take to a statement that the server may work on for as long as to any, in milliseconds. */
export const LONG_ANSWER_MS = STATEMENT_MS + 5000;
/** After so long the server ends a statement that nobody waits for any more, in milliseconds. */
const ABANDONED_MS = 5000;

export interface PoolGauges {
  /** The most there may be now. */
  max: number;
  total: number;
  idle: number;
  waiting: number;
}

/**
 * The runtime's own statements find all they need by an index. A named statement keeps the plan that it was given, and one from
 * when the tables were nearly empty would read them whole for ever after.
 */
const BY_INDEX =
  " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c plan_cache_mode=force_generic_plan";

/** One pool and how many calls are on it. */
interface Generation {
  pool: Pool;
  silence: Silence;
  calls: number;
  /** Calls that have no connection yet: they may still log in. */
  connecting: Set<Promise<unknown>>;
  settings: ConnectionSettings;
}

/**
 * The tenant's database behind credentials that change while it is in use. New credentials are tried first; only when they
 * let us in do calls go to a new pool, and the old one closes after its last call: no call fails for a rotation.
 */
export class AgentDatabase implements Queryable {
  readonly schema: SchemaName;
  readonly transcripts: TranscriptCipher;
  readonly #limits: PoolLimits;
  readonly #planner: string;
  #size: PoolSize | undefined;
  readonly #name: string;
  readonly #onError: (error: Error) => void;
  #current: Generation;

  constructor(
    schema: SchemaName,
    settings: ConnectionSettings,
    name: string,
    limits: PoolLimits,
    onError: (error: Error) => void,
    transcripts = new TranscriptCipher(schema),
    planner: "ByIndex" | "Free" = "ByIndex",
  ) {
    this.#planner = planner === "ByIndex" ? BY_INDEX : "";
    this.schema = schema;
    this.transcripts = transcripts;
    this.#limits = limits;
    this.#name = name;
    this.#onError = onError;
    this.#current = this.#open(settings);
  }

  #open(settings: ConnectionSettings): Generation {
    // A pooler in transaction mode refuses such settings: the operator gives them to the login itself too.
    const session = {
      options: `-c search_path=${this.schema},pg_temp -c client_connection_check_interval=${ABANDONED_MS}${this.#planner}`,
      statement_timeout: STATEMENT_MS,
    };
    const pool = createPool(
      settings,
      this.#name,
      this.#onError,
      { ...this.#limits, ...this.#size },
      settings.pooler ? {} : session,
    );
    const silence = new Silence();
    pool.on("connect", (client) => silence.heard(client));
    return { pool, silence, calls: 0, connecting: new Set(), settings };
  }

  get settings(): ConnectionSettings {
    return this.#current.settings;
  }

  get gauges(): PoolGauges {
    const { totalCount, idleCount, waitingCount, options } = this.#current.pool;
    return { max: options.max ?? totalCount, total: totalCount, idle: idleCount, waiting: waitingCount };
  }

  /** Takes another size, from now on. @param size.idleMs no longer than at first */
  async resize(size: Omit<PoolSize, "idleMs"> & { idleMs?: number }): Promise<void> {
    this.#size = { idleMs: this.#limits.idleMs, ...size };
    await fitPool(this.#current.pool, this.#size);
  }

  /**
   * Moves to new credentials, and settles when nobody logs in with the old ones any more: from then on the old login may be
   * closed, and what is at work on its connections ends there.
   * @throws when the new ones do not let us in; the old ones stay in use then
   */
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
    await Promise.allSettled(old.connecting);
  }

  async #on<T>(work: (generation: Generation) => Promise<T>): Promise<T> {
    const generation = this.#current;
    generation.calls++;
    try {
      return await work(generation);
    } finally {
      generation.calls--;
      if (generation !== this.#current && generation.calls === 0) void this.#close(generation);
    }
  }

  async #close(generation: Generation): Promise<void> {
    await generation.pool.end().catch(this.#onError);
  }

  /** @throws DatabaseOutage when the database is at fault; what it has against the statement itself is thrown as it came */
  query<Row>(name: string, text: string, values: unknown[] = [], silentMs = ANSWER_MS): Promise<Row[]> {
    return this.#on(async (generation) => {
      const { pooler } = generation.settings;
      const query = pooler ? { text, values } : { name, text, values };
      const client = await this.#connect(generation);
      let failure: Error | undefined;
      try {
        return await generation.silence.limit(client, silentMs, async () => {
          if (!pooler) await withFreshPlans(client);
          return (await client.query(query)).rows as Row[];
        });
      } catch (error) {
        failure = error as Error;
        return throwOutage(`the statement ${name}`)(error);
      } finally {
        client.release(failure);
      }
    });
  }

  async #connect({ pool, silence, connecting }: Generation): Promise<PoolClient> {
    const client = whenThereIsRoom(pool, () => connectTo(pool, silence));
    connecting.add(client);
    try {
      return await client;
    } catch (error) {
      return throwOutage("connecting")(error);
    } finally {
      connecting.delete(client);
    }
  }

  /**
   * One connection for `work`; it is thrown away when `work` throws, because nobody knows what state it is in.
   * @param silentMs for how long the server may say nothing before the connection is taken for dead, in milliseconds
   * @throws DatabaseOutage when the database is at fault; else what `work` throws
   */
  withConnection<T>(work: (client: PoolClient) => Promise<T>, silentMs = LONG_ANSWER_MS): Promise<T> {
    return this.#on(async (generation) => {
      const client = await this.#connect(generation);
      let broken = true;
      try {
        const result = await generation.silence.limit(client, silentMs, () => work(client));
        broken = false;
        return result;
      } catch (error) {
        return throwOutage("the work on a connection")(error);
      } finally {
        client.release(broken);
      }
    });
  }

  async close(): Promise<void> {
    await this.#close(this.#current);
  }
}

/** A connection that need not be feared to be as silent as another that was given up. */
async function connectTo(pool: Pool, silence: Silence): Promise<PoolClient> {
  for (;;) {
    const client = await pool.connect();
    if (!silence.isFeared(client)) return client;
    client.release(true);
    hangUp(client);
  }
}

/** The schemas and roles of the tenant whose schema this is. */
export const namesOf = (schema: SchemaName) => tenantDatabaseNames(schema);

interface PostgresError {
  code?: string;
  constraint?: string;
}

/** Whether the same call may work in a moment: the server restarts, is full or read-only, the connection broke, or credentials are being changed. */
export const isTransient = (error: unknown): boolean => error instanceof DatabaseOutage;

const throwOutage =
  (doing: string) =>
  (error: unknown): never => {
    const failure = databaseError(error, doing);
    throw failure instanceof DatabaseOutage ? failure : error;
  };

/** Whether the foreign key of this name refused a row: what it refers to is not there any more. */
export const isForeignKey = (error: unknown, key: string): boolean =>
  (error as PostgresError).code === "23503" && (error as PostgresError).constraint === key;

/** Whether the unique index of this name refused a row. */
export const violates = (error: unknown, index: string): boolean =>
  (error as PostgresError).code === "23505" && (error as PostgresError).constraint === index;
