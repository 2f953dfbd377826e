import { Pool, type PoolConfig } from "pg";
import { ReportingClient } from "./server-state.ts";

/** How to reach one database. `tls` is verify-full with this CA (or the system's), unless it says `disable`. */
export interface ConnectionSettings {
  host: string;
  /** TCP port, 1–65535. */
  port: number;
  database: string;
  user: string;
  password: string;
  tls: { ca?: string } | "disable";
  /**
   * A pooler that gives a server connection for one transaction only (PgBouncer's `pool_mode = transaction`) is in between:
   * nothing of a session may be relied on.
   */
  pooler?: "Transaction";
}

export interface PoolLimits {
  /** Connections at most. */
  max: number;
  /** Connections that are kept although idle. */
  min: number;
  /** How long an idle connection is kept, in milliseconds. */
  idleMs: number;
  /** How long a connection is used at most, in seconds. */
  lifetimeSeconds: number;
}

/** The limits that AgentPG's security guide asks for. */
export const GUIDE_POOL_LIMITS: PoolLimits = { max: 25, min: 5, idleMs: 30 * 60_000, lifetimeSeconds: 3600 };

/**
 * The options of node-postgres for these settings. Never a connection string: its sslmode would override `ssl`.
 * `ssl: {ca}` is verify-full (certificate chain and host name).
 */
export function clientOptions(settings: ConnectionSettings, applicationName: string) {
  return {
    host: settings.host,
    port: settings.port,
    database: settings.database,
    user: settings.user,
    password: settings.password,
    ssl:
      settings.tls === "disable"
        ? false
        : {
            rejectUnauthorized: true,
            minVersion: "TLSv1.2" as const,
            ...(settings.tls.ca ? { ca: settings.tls.ca } : {}),
          },
    application_name: applicationName,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    // Then a probe a second (libuv's): a connection on which nothing is asked, such as one that listens, is found dead within 20 s.
    keepAliveInitialDelayMillis: 10_000,
  };
}

/**
 * A pool; `onError` hears of idle connections that broke (they are replaced, nothing is lost). A connection that breaks
 * while it is in use fails its query.
 */
export function createPool(
  settings: ConnectionSettings,
  applicationName: string,
  onError: (error: Error) => void,
  limits: PoolLimits = GUIDE_POOL_LIMITS,
  more: Partial<PoolConfig> = {},
): Pool {
  const pool = new Pool({
    ...clientOptions(settings, applicationName),
    Client: ReportingClient as unknown as NonNullable<PoolConfig["Client"]>,
    max: limits.max,
    min: limits.min,
    idleTimeoutMillis: limits.idleMs,
    maxLifetimeSeconds: limits.lifetimeSeconds,
    ...more,
  });
  pool.on("error", onError);
  // A connection in use also emits `error` when it breaks, and without a listener that would end the process.
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}
