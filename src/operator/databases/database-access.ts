import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ConnectionSettings } from "../../database/connection.ts";
import { DatabaseError, DatabaseUnreachable } from "../../database/errors.ts";
import { hasCode, SQLSTATE } from "../../database/sqlstate.ts";
import { createTenantDatabase, type TenantDatabase } from "../../database/tenants.ts";
import { contentHash } from "../../kubernetes/apply.ts";
import type { Logger } from "../../telemetry/log.ts";
import { noSpans, type Spans } from "../tracing/spans.ts";
import { Outage } from "./outage.ts";
import { DEFAULT_SERVER, type DatabaseServer } from "./server-config.ts";

/** Where agent pods reach the database. */
export interface AgentTarget {
  host: string;
  port: number;
  database: string;
  ca: string | undefined;
  insecure: boolean;
  pooler: DatabaseServer["pooler"];
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
 * One database server as the operator sees it: connects when first needed, takes new credentials from the mounted Secret
 * as they change, and holds the leader epoch of this process there.
 */
export class DatabaseAccess {
  readonly name: string;
  readonly config: DatabaseServer;
  /** Errors say which server they are about. */
  readonly #isOneOfSeveral: boolean;
  readonly #outage: Outage;
  readonly #identity: string;
  readonly #claimant: () => Promise<string>;
  readonly #tenantSelector: string;
  readonly #migrationsDir: string;
  readonly #logger: Logger;
  readonly #spans: Spans;
  #connecting: Promise<TenantDatabase> | undefined;
  #settingsHash = "";
  #ready: Promise<number> | undefined;
  #hasAnswered = false;

  constructor(options: {
    /** The server's, in the operator's configuration. */
    name: string;
    config: DatabaseServer;
    isOneOfSeveral: boolean;
    /** Calls at once, of one of several servers: what is beyond is free for the others, should this one hang. */
    room: number;
    identity: string;
    /** See {@link claimantOf}. */
    claimant: () => Promise<string>;
    tenantSelector: string;
    migrationsDir: string;
    logger: Logger;
    spans?: Spans;
  }) {
    this.name = options.name;
    this.config = options.config;
    this.#isOneOfSeveral = options.isOneOfSeveral;
    this.#outage = new Outage(options.isOneOfSeveral ? options.room : Infinity);
    this.#identity = options.identity;
    this.#claimant = options.claimant;
    this.#tenantSelector = options.tenantSelector;
    this.#migrationsDir = options.migrationsDir;
    this.#logger = options.logger;
    this.#spans = options.spans ?? noSpans;
  }

  /** Runs `work` on the database with this leader's epoch there. @throws DatabaseError */
  async use<T>(work: (database: TenantDatabase, epoch: number) => Promise<T>): Promise<T> {
    const what = { name: "postgres", kind: "client", attributes: { "agentpg.server": this.name } } as const;
    return this.#spans.part(what, () => this.look((database) => this.#work(database, work)));
  }

  /** Runs `work` without being the leader or becoming it: for what needs no epoch. @throws DatabaseError */
  async look<T>(work: (database: TenantDatabase) => Promise<T>): Promise<T> {
    try {
      const database = await this.#database();
      await this.#outage.over(() => database.ping());
      return await this.#outage.during(() => work(database));
    } catch (error) {
      if (error instanceof DatabaseUnreachable) this.#outage.begin(error);
      if (error instanceof DatabaseError && this.#isOneOfSeveral) throw error.at(this.name);
      throw error;
    }
  }

  async #work<T>(database: TenantDatabase, work: (database: TenantDatabase, epoch: number) => Promise<T>): Promise<T> {
    this.#ready ??= database.bootstrap().then(() => database.acquireEpoch(this.#identity));
    const attempt = this.#ready;
    const epoch: number = await attempt.catch((error: unknown) => {
      if (this.#ready === attempt) this.#ready = undefined; // tried again by the next caller
      throw error;
    });
    this.#hasAnswered = true;
    return work(database, epoch).catch(async (error: unknown) => {
      if (hasCode(error, SQLSTATE.undefinedTable, SQLSTATE.undefinedSchema))
        await database.refuseWithoutRegistry(epoch);
      throw error;
    });
  }

  /** Whether the server answered when it was last asked; undefined before the first answer. */
  get isUp(): boolean | undefined {
    if (this.#outage.isThere) return false;
    return this.#hasAnswered ? true : undefined;
  }

  agentTarget(): AgentTarget {
    const { host, port, name, agentHost, agentPort, insecure, pooler, credentialsDir } = this.config;
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
    const { host, port, name, credentialsDir, insecure } = this.config;
    const user = read(credentialsDir, "username");
    const password = read(credentialsDir, "password");
    if (!user || !password) {
      const missing = user ? "password" : "username";
      const value = this.name === DEFAULT_SERVER ? "database" : `databases, server ${this.name}`;
      throw new DatabaseCredentialsMissing(
        `the operator's database Secret has no ${missing}; put username and password of the admin role in it (chart value ${value}, credentialsSecret)`,
      );
    }
    const ca = read(credentialsDir, "ca.crt");
    return { host, port, database: name, user, password, tls: insecure ? "disable" : ca ? { ca } : {} };
  }
}
