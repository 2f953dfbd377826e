import { z } from "zod";
import { serverName } from "../../api/tenant.ts";
import { GUIDE_POOL_LIMITS } from "../../database/connection.ts";
import { DRAIN_LIMITS } from "../../database/rotation/drain.ts";

export const peer = z.looseObject({});
export const port = z.int().min(1).max(65535);

/** The name of the server in `database`; those in `databases` have their own. */
export const DEFAULT_SERVER = "default";

const poolLimits = z
  .strictObject({
    max: z.int().min(2).max(1000).default(GUIDE_POOL_LIMITS.max),
    min: z.int().min(0).max(1000).default(GUIDE_POOL_LIMITS.min),
    maxLifetimeSeconds: z.int().min(1).max(86_400).default(GUIDE_POOL_LIMITS.lifetimeSeconds),
    idleSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .default(GUIDE_POOL_LIMITS.idleMs / 1000),
  })
  .refine((it) => it.min <= it.max, { path: ["min"], error: "must not be more than max" });

/** One Postgres server: how to reach it, and which Tenants it takes. */
export const databaseServer = z.strictObject({
  host: z.string().min(1),
  port: port.default(5432),
  name: z.string().min(1).default("agentpg"),
  credentialsDir: z.string().min(1),
  /** true: plain text. Never by default. */
  insecure: z.boolean().default(false),
  /** Where pods reach the database, when that is another name than the operator's. */
  agentHost: z.string().optional(),
  agentPort: port.optional(),
  /** What agents find there: Postgres, or a pooler that gives a connection for one transaction only (PgBouncer). */
  pooler: z.enum(["None", "Transaction"]).default("None"),
  /** The connections of one agent pod; GUIDE_POOL_LIMITS in src/database/connection.ts says what they are. */
  pool: poolLimits.prefault({}),
  /** NetworkPolicy peers of the database; empty: any address. */
  peers: z.array(peer).default([]),
  /** The port that a NetworkPolicy sees, behind a Service. */
  peerPort: port.optional(),
  /** How long a password rotation waits for what, in seconds: see DrainLimits in src/database/rotation/drain.ts. */
  rotation: z
    .strictObject({
      stuckSeconds: z.int().min(0).default(DRAIN_LIMITS.stuckSeconds),
      graceSeconds: z.int().min(0).default(DRAIN_LIMITS.graceSeconds),
      quietSeconds: z.int().min(0).default(DRAIN_LIMITS.quietSeconds),
      startSeconds: z.int().min(0).default(DRAIN_LIMITS.startSeconds),
    })
    .prefault({}),
  /** false: Tenants that are not here yet go elsewhere. Those that are here stay. */
  acceptsNew: z.boolean().default(true),
  /** Of two servers that take new Tenants, one with twice the weight gets twice as many. */
  weight: z.int().min(1).max(1000).default(1),
  /** Tenants in the server's registry, retained ones too, from which on it takes no new ones; left out: no limit. */
  maxTenants: z.int().min(0).optional(),
});
export type DatabaseServer = z.infer<typeof databaseServer>;

/** The servers beside the one in `database`. */
export const moreServers = z
  .array(
    databaseServer.extend({
      server: serverName.refine((it) => it !== DEFAULT_SERVER, {
        error: `${DEFAULT_SERVER} is the server in database: give this one another name`,
      }),
    }),
  )
  .max(100)
  .default([])
  .superRefine((servers, context) => {
    for (const [index, { server }] of servers.entries())
      if (servers.findIndex((it) => it.server === server) !== index)
        context.addIssue({
          code: "custom",
          path: [index, "server"],
          message: `another entry is named ${server}: names of servers are unique`,
        });
  });

interface Servers {
  database: DatabaseServer;
  databases: z.infer<typeof moreServers>;
}

const addressOf = ({ host, port, name }: DatabaseServer): string => `${host.toLowerCase()}:${port}/${name}`;

/** One database under two names would be two homes to every Tenant in it. */
export function refuseTwins({ database, databases }: Servers, context: z.RefinementCtx): void {
  const addresses = [database, ...databases].map(addressOf);
  for (const [index, it] of databases.entries())
    if (addresses.indexOf(addressOf(it)) <= index)
      context.addIssue({
        code: "custom",
        path: ["databases", index, "host"],
        message: `${addressOf(it)} is another entry's database too: give each server one entry`,
      });
}

/** All servers by name, `default` first. */
export function serversOf({ database, databases }: Servers): ReadonlyMap<string, DatabaseServer> {
  const more = databases.map(({ server, ...it }) => [server, it] as const);
  return new Map([[DEFAULT_SERVER, database], ...more]);
}
