import { DatabaseError } from "../database/errors.ts";
import type { AgentDatabase } from "../database/runs/database.ts";
import { schemaVersion } from "../database/runs/load.ts";
import { requireSearchPath } from "../database/runs/search-path.ts";
import type { Logger } from "../telemetry/log.ts";
import type { DatabaseSettings } from "./credentials/database-settings.ts";
import type { Watched } from "../process/watched.ts";

/** The migration that this runtime's statements are written for. */
export const NEEDED_SCHEMA_VERSION = 6;

/** Whether the database can be used, and with which credentials; moves the pools to new credentials of the same schema. */
export class DatabaseHealth {
  readonly #databases: AgentDatabase[];
  readonly #source: Watched<DatabaseSettings>;
  readonly #log: Logger;
  readonly #onRotated: () => void;
  readonly #onUsable: () => Promise<void>;
  #revision: string;
  #version: number | undefined;
  #ok = false;
  #problem: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #rotating: Promise<void> | undefined;
  readonly #schema: string;
  #inUse: string;

  /** @param onUsable called with each check that finds the database in order; its failure is the check's */
  constructor(
    databases: AgentDatabase[],
    source: Watched<DatabaseSettings>,
    settings: DatabaseSettings,
    log: Logger,
    onRotated: () => void,
    onUsable: () => Promise<void> = async () => {},
  ) {
    this.#databases = databases;
    this.#source = source;
    this.#log = log;
    this.#onRotated = onRotated;
    this.#onUsable = onUsable;
    this.#revision = settings.revision;
    this.#schema = settings.schema;
    this.#inUse = JSON.stringify(settings);
  }

  get status() {
    return {
      ok: this.#ok,
      revision: this.#revision,
      problem: this.#problem ?? null,
      schemaVersion: this.#version ?? null,
      neededSchemaVersion: NEEDED_SCHEMA_VERSION,
    };
  }

  /** Reachable, and migrated at least as far as needed. */
  get ready(): boolean {
    return this.#ok && this.#isMigrated;
  }

  get #isMigrated(): boolean {
    return (this.#version ?? 0) >= NEEDED_SCHEMA_VERSION;
  }

  async check(): Promise<void> {
    await this.#adopt();
    const [database] = this.#databases as [AgentDatabase];
    try {
      await requireSearchPath(database);
      this.#version = await schemaVersion(database);
      if (this.#isMigrated) await this.#onUsable();
      this.#ok = true;
      this.#problem = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (this.#ok || message !== this.#problem) this.#log.warn({ err: error as Error }, "the database cannot be used");
      this.#ok = false;
      this.#problem = error instanceof DatabaseError ? message : "the database cannot be reached";
    }
  }

  /** Uses the newest credentials; tried again with every check until they let us in. One at a time. */
  #adopt(): Promise<void> {
    this.#rotating ??= this.#rotate().finally(() => {
      this.#rotating = undefined;
    });
    return this.#rotating;
  }

  async #rotate(): Promise<void> {
    const settings = this.#source.value;
    if (!settings || settings.schema !== this.#schema || JSON.stringify(settings) === this.#inUse) return;
    try {
      for (const database of this.#databases) await database.rotate(settings.connection);
      this.#inUse = JSON.stringify(settings);
      this.#revision = settings.revision;
      const { revision, connection } = settings;
      this.#log.info({ revision, user: connection.user }, "new database credentials are in use");
      this.#onRotated();
    } catch (error) {
      this.#log.warn({ err: error as Error }, "the new database credentials do not work yet; the old ones stay in use");
    }
  }

  start(): void {
    this.#source.onChange(() => void this.#adopt());
    const again = async () => {
      await this.check();
      if (this.#timer) this.#timer = setTimeout(again, this.#ok ? 5000 : 1000).unref();
    };
    this.#timer = setTimeout(again, 2000).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
