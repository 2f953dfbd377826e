import { randomBytes } from "node:crypto";
import { Pool } from "pg";
import type { TenantDatabaseNames } from "../../src/api/names.ts";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";
import { aLeader, aTenant, held, provisioned, run } from "../database/fixture.ts";
import type { TestPostgres } from "../support/postgres.ts";
import { fillVictim } from "./victim.ts";

/** How far the tenants are apart: two schemas of one database, or two databases. */
export type Tier = "Schema" | "Database";

/** A tenant with its names and its real login. */
export type Side = Awaited<ReturnType<typeof provisioned>>;
type Leader = Awaited<ReturnType<typeof aLeader>>;

/** Which database the attacker's login connects to; in the tier `Schema` all three are one. */
export type Where = "victim" | "own" | "operator";

/** What an attempt has before it: an operator, the tenant `a` that is attacked, and the tenant `b` whose login attacks. */
export interface Field {
  tier: Tier;
  postgres: TestPostgres;
  leader: Leader;
  a: Side;
  b: Side;
  /** Texts that only the victim and the operator know. */
  secrets: string[];
  /** Takes away the wall that an attempt of this kind runs into, when no statement could: set in the weakened run. */
  unconfined?: boolean;
}

/** Statements are written with these: the victim's names, the attacker's own with its login, and the whole field. */
export type Sql = (victim: TenantDatabaseNames, me: TenantDatabaseNames & { login: string }, field: Field) => string;

export const sqlOf = (field: Field, sql: Sql): string =>
  sql(field.a.names, { ...field.b.names, login: field.b.connection.user }, field);

export const databaseAt = ({ leader, a, b }: Field, where: Where): string =>
  ({ victim: a.connection.database, own: b.connection.database, operator: leader.admin.database })[where];

export const asAttacker = (field: Field, where: Where): ConnectionSettings => ({
  ...field.b.connection,
  database: databaseAt(field, where),
});

const pools = new Map<string, Pool>();

/** A few connections of the superuser, for what a test prepares and looks at. Closed by {@link closeFields}. */
export function superuser(field: Field, where: Where): Pool {
  const database = databaseAt(field, where);
  const known = pools.get(database);
  if (known) return known;
  const options = clientOptions(field.postgres.adminSettings(database), "test");
  const pool = new Pool({ ...options, max: 3, idleTimeoutMillis: 500 });
  pool.on("error", () => {});
  pools.set(database, pool);
  return pool;
}

/** For `afterAll`. */
export async function closeFields(): Promise<void> {
  await Promise.all([...working].map((it) => it.close().catch(() => {})));
  working.clear();
  await Promise.all([...pools.values()].map((pool) => pool.end()));
  pools.clear();
}

const aSide = (leader: Leader, tier: Tier, secret: string): Promise<Side> => {
  const isolation = tier === "Database" ? ("database" as const) : ("schema" as const);
  return provisioned(leader, aTenant({ name: `tenant-${secret}`, namespace: `namespace-${secret}`, isolation }));
};

/** The attacker's name is no secret to itself. */
export const anAttacker = (leader: Leader, tier: Tier): Promise<Side> =>
  aSide(leader, tier, randomBytes(6).toString("hex"));

/** An operator's database with a victim that has something to lose, and an attacker. */
export async function openField(postgres: TestPostgres, tier: Tier): Promise<Field> {
  const leader = await aLeader(postgres, { migrationsDir: "migrations" });
  const secret = `zebra${randomBytes(6).toString("hex")}`;
  const a = await aSide(leader, tier, secret);
  const field = { tier, postgres, leader, a, b: await anAttacker(leader, tier), secrets: [secret, a.request.uid] };
  await run(a.connection, fillVictim(a.names, secret));
  await atWork(a, secret);
  await superuser(field, "victim").query(ownObjects(field, secret));
  return field;
}

const working = new Set<{ close(): Promise<void> }>();

/** A connection of the victim's that stays open; its last statement holds the secret, in a place that pg_stat_statements keeps. */
async function atWork(a: Side, secret: string): Promise<void> {
  const connection = await held(a.connection);
  working.add(connection);
  await connection.client.query(`SELECT 1 AS ${secret}`);
}

/** What the victim's people have beside the tables of AgentPG. */
function ownObjects({ a }: Field, secret: string): string {
  const { dataSchema: data, owner, schema } = a.names;
  return `SET ROLE ${owner};
    CREATE TABLE ${data}.orders (id integer PRIMARY KEY, customer text);
    INSERT INTO ${data}.orders SELECT n, '${secret}' FROM generate_series(1, 50) n;
    CREATE VIEW ${data}.open_orders AS SELECT * FROM ${data}.orders;
    CREATE MATERIALIZED VIEW ${data}.old_orders AS SELECT * FROM ${data}.orders;
    CREATE SEQUENCE ${data}.numbers;
    CREATE FUNCTION ${data}.answer() RETURNS text LANGUAGE sql AS 'SELECT ''${secret.slice(5)}''';
    RESET ROLE;
    SELECT lo_from_bytea(${LARGE_OBJECT}, '${secret}');
    ALTER LARGE OBJECT ${LARGE_OBJECT} OWNER TO ${a.connection.user};
    ANALYZE ${data}.orders; ANALYZE ${schema}.sessions; ANALYZE ${schema}.runs;`;
}

/** The victim's. */
export const LARGE_OBJECT = 424_242;
