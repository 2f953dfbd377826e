import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ConnectionSettings } from "../database/connection.ts";
import { DatabaseError } from "../database/errors.ts";
import { createTenantDatabase, type TenantDatabase } from "../database/tenants.ts";
import { contentHash } from "../kubernetes/apply.ts";
import type { Logger } from "../telemetry/log.ts";
import type { OperatorConfig } from "./config.ts";

/** Where agent pods reach the database. */
export interface AgentTarget {
  host: string;
  port: number;
  database: string;
  ca: string | undefined;
  insecure: boolean;
  pooler: OperatorConfig["database"]["pooler"];
}

/** The operator's database credentials are missing or empty. */
class DatabaseCredentialsMissing extends DatabaseError {
  override readonly name = "DatabaseCredentialsMissing";
}

const read = (directory: string, file: string): string => {
  try {
    return readFileSync(join(directory, file), "utf8").trim();
  } catch {
    return "";
  }
};

/**
 * The database as the operator sees it: connects when first needed, takes new credentials from the mounted Secret
 * as they change, and holds the leader epoch of this process.
 */
export class DatabaseAccess {
  readonly #config: OperatorConfig["database"];
  readonly #identity: string;
  readonly #claimant: () => Promise<string>;
  readonly #tenantSelector: string;
  readonly #migrationsDir: string;
  readonly #logger: Logger;
  #connecting: Promise<TenantDatabase> | undefined;
  #settingsHash = "";
  #ready: Promise<number> | undefined;

  constructor(options: {
    config: OperatorConfig["database"];
    identity: string;
    /** See {@link claimantOf}. */
    claimant: () => Promise<string>;
    tenantSelector: string;
    migrationsDir: string;
    logger: Logger;
  }) {
    this.#config = options.config;
    this.#identity = options.identity;
    this.#claimant = options.claimant;
    this.#tenantSelector = options.tenantSelector;
    this.#migrationsDir = options.migrationsDir;
    this.#logger = options.logger;
  }

  /** Runs `work` on the database with this leader's epoch. @throws DatabaseError */
  async use<T>(work: (database: TenantDatabase, epoch: number) => Promise<T>): Promise<T> {
    const database = await this.#database();
    this.#ready ??= database.bootstrap().then(() => database.acquireEpoch(this.#identity));
    const attempt = this.#ready;
    const epoch: number = await attempt.catch((error: unknown) => {
      if (this.#ready === attempt) this.#ready = undefined; // tried again by the next caller
      throw error;
    });
    return work(database, epoch);
  }

  agentTarget(): AgentTarget {
    const { host, port, name, agentHost, agentPort, insecure, pooler, credentialsDir } = this.#config;
    return {
      host: agentHost ?? host,
      port: agentPort ?? port,
      database: name,
      ca: read(credentialsDir, "ca.crt") || undefined,
      insecure,
      pooler,
    };
  }

  async close(): Promise<void> {
    const database = await this.#connecting?.catch(() => undefined);
    await database?.close();
  }

  async #database(): Promise<TenantDatabase> {
    const settings = this.#settings();
    const hash = contentHash(settings);
    if (!this.#connecting) {
      this.#settingsHash = hash;
      this.#connecting = this.#create(settings).catch((error: unknown) => {
        this.#connecting = undefined;
        throw error;
      });
    }
    const database = await this.#connecting;
    if (hash !== this.#settingsHash) {
      this.#settingsHash = hash;
      this.#logger.info("the database credentials changed; connecting anew");
      await database.reconnect(settings);
    }
    return database;
  }

  async #create(admin: ConnectionSettings): Promise<TenantDatabase> {
    return createTenantDatabase({
      admin,
      migrationsDir: this.#migrationsDir,
      clusterUid: await this.#claimant(),
      tenantSelector: this.#tenantSelector,
      logger: this.#logger,
    });
  }

  #settings(): ConnectionSettings {
    const { host, port, name, credentialsDir, insecure } = this.#config;
    const user = read(credentialsDir, "username");
    const password = read(credentialsDir, "password");
    if (!user || !password) {
      const missing = user ? "password" : "username";
      throw new DatabaseCredentialsMissing(
        `the operator's database Secret has no ${missing}; put username and password of the admin role in it (chart value database.credentialsSecret)`,
      );
    }
    const ca = read(credentialsDir, "ca.crt");
    return { host, port, database: name, user, password, tls: insecure ? "disable" : ca ? { ca } : {} };
  }
}
