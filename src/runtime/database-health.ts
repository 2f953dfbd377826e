import type { AgentDatabase } from "../database/runs/database.ts";
import { schemaVersion } from "../database/runs/load.ts";
import type { Logger } from "../telemetry/log.ts";
import type { DatabaseSettings } from "./credentials/database-settings.ts";
import type { Watched } from "./credentials/watched.ts";

/** The migration that this runtime's statements are written for. */
export const NEEDED_SCHEMA_VERSION = 1;

/** Whether the database can be used, and with which credentials; moves the pools to new credentials. */
export class DatabaseHealth {
  readonly #databases: AgentDatabase[];
  readonly #source: Watched<DatabaseSettings>;
  readonly #log: Logger;
  readonly #onRotated: () => void;
  #revision: string;
  #version: number | undefined;
  #ok = false;
  #timer: NodeJS.Timeout | undefined;
  #rotating: Promise<void> | undefined;
  #inUse: string;

  constructor(
    databases: AgentDatabase[],
    source: Watched<DatabaseSettings>,
    settings: DatabaseSettings,
    log: Logger,
    onRotated: () => void,
  ) {
    this.#databases = databases;
    this.#source = source;
    this.#log = log;
    this.#onRotated = onRotated;
    this.#revision = settings.revision;
    this.#inUse = JSON.stringify(settings);
  }

  get status() {
    return {
      ok: this.#ok,
      revision: this.#revision,
      schemaVersion: this.#version ?? null,
      neededSchemaVersion: NEEDED_SCHEMA_VERSION,
    };
  }

  /** Reachable, and migrated at least as far as needed. */
  get ready(): boolean {
    return this.#ok && (this.#version ?? 0) >= NEEDED_SCHEMA_VERSION;
  }

  async check(): Promise<void> {
    await this.#adopt();
    try {
      this.#version = await schemaVersion(this.#databases[0] as AgentDatabase);
      this.#ok = true;
    } catch (error) {
      if (this.#ok) this.#log.warn({ err: error as Error }, "the database cannot be reached");
      this.#ok = false;
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
    if (!settings || JSON.stringify(settings) === this.#inUse) return;
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
