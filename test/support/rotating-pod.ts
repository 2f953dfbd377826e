import { setTimeout as sleep } from "node:timers/promises";
import { DATABASE_FILES } from "../../src/api/agent-config.ts";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { AgentDatabase } from "../../src/database/runs/database.ts";
import { renewLeases } from "../../src/database/runs/workers.ts";
import { type DatabaseSettings, settingsFromFiles } from "../../src/runtime/credentials/database-settings.ts";
import { readSecretFiles } from "../../src/process/secret-files.ts";
import { Watched } from "../../src/process/watched.ts";
import { DatabaseHealth } from "../../src/runtime/database-health.ts";
import { uuidv7 } from "../../src/runtime/uuid.ts";
import { silentLogger } from "../../src/telemetry/log.ts";

/** Connections live for a second at most and idle for 50 ms, so that new ones are made all the time. */
const CHURN = { max: 8, min: 0, idleMs: 50, lifetimeSeconds: 1 };

const MOST_UNDER_WAY = 32;

export interface PodOptions {
  /** The directory of the mounted Secret. */
  directory: string;
  /** Queries a second. */
  rate: number;
  /** The address, where it is not the one in the Secret: of a pooler. */
  at?: Pick<ConnectionSettings, "host" | "port">;
  /** How long a pod that is gone counts as living, in seconds. */
  leaseSeconds?: number;
}

/** The parts of an agent pod that meet the database, without the rest: watched files, pools that rotate, heartbeats, and a load. */
export class RotatingPod {
  readonly name = `pod-${uuidv7()}`;
  readonly failures: string[] = [];
  queries = 0;
  readonly #options: PodOptions;
  readonly #source: Watched<DatabaseSettings>;
  readonly #worker = uuidv7();
  #db: AgentDatabase | undefined;
  #health: DatabaseHealth | undefined;
  #stopped = false;
  #loops: Promise<void>[] = [];

  constructor(options: PodOptions) {
    this.#options = options;
    const read = async () => {
      const files = await readSecretFiles(options.directory, Object.values(DATABASE_FILES));
      const settings = settingsFromFiles(files, true);
      return { ...settings, connection: { ...settings.connection, ...options.at } };
    };
    this.#source = new Watched(read, 20);
  }

  /** The revision in use. */
  get revision(): string {
    return this.#health?.status.revision ?? "";
  }

  async start(): Promise<this> {
    const settings = (await this.#source.start()).value;
    if (!settings) throw this.#source.problem ?? new Error("no credentials");
    this.#db = new AgentDatabase(settings.schema, settings.connection, "agentpg/load", CHURN, () => {});
    this.#health = new DatabaseHealth(
      [this.#db],
      this.#source,
      settings,
      silentLogger,
      () => {},
      async () => {},
    );
    await this.#health.check();
    this.#health.start();
    await this.#beat();
    this.#loops = [this.#beats(), this.#load()];
    return this;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    this.#health?.stop();
    this.#source.stop();
    await this.#db?.close();
  }

  async #beats(): Promise<void> {
    while (!this.#stopped) {
      await sleep(50);
      await this.#try(() => this.#beat());
    }
  }

  async #beat(): Promise<void> {
    const report = { pod: this.name, credentials: this.revision, problem: null };
    await renewLeases(this.#db as AgentDatabase, this.#worker, "load", this.#options.leaseSeconds ?? 2, report);
  }

  /** Queries that start on time, whether those before have ended or not; every tenth is a transaction of some length. */
  async #load(): Promise<void> {
    const under = new Set<Promise<void>>();
    const begun = Date.now();
    for (let n = 0; !this.#stopped; n++) {
      // On a machine that cannot keep up the rate falls; a queue of this process's own making would time out.
      while (under.size >= MOST_UNDER_WAY) await Promise.race(under);
      this.queries++;
      const work = this.#try(n % 10 === 0 ? () => this.#transaction() : () => this.#query());
      under.add(work);
      void work.finally(() => under.delete(work));
      await sleep(Math.max(0, begun + (n * 1000) / this.#options.rate - Date.now()));
    }
    await Promise.all(under);
  }

  #query = async (): Promise<void> => {
    await (this.#db as AgentDatabase).query("load", "SELECT count(*) FROM workers");
  };

  #transaction = (): Promise<void> =>
    (this.#db as AgentDatabase).withConnection(async (client) => {
      await client.query("BEGIN");
      await client.query("SELECT pg_sleep(0.05)");
      await client.query("SELECT count(*) FROM workers");
      await client.query("COMMIT");
    });

  async #try(work: () => Promise<void>): Promise<void> {
    const begun = Date.now();
    await work().catch((error: Error & { code?: string }) => {
      const cause = error.cause instanceof Error ? error.cause.message : "";
      this.failures.push(`${error.code} after ${Date.now() - begun} ms: ${error.message} (${cause})`);
    });
  }
}
