import type { Attempt } from "../attempt.ts";
import type { Sql } from "../field.ts";
import {
  all,
  aSuperuser,
  DENIED,
  mayCreateInDatabase,
  mayCreateInOwnSchema,
  UNDEFINED_FUNCTION,
} from "./weaknesses.ts";

const extend = (name: string, sql: Sql, weakness: Sql, more: Partial<Attempt> = {}): Attempt => ({
  group: "extensions and foreign servers",
  name,
  sql,
  refused: [DENIED],
  weakness,
  where: "own",
  ...more,
});

/** A foreign server of the attacker's own, as a superuser would hand it out. */
const aServer: Sql = (_v, me) =>
  `CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA ${me.schema}; CREATE SERVER ${me.schema}_x FOREIGN DATA WRAPPER postgres_fdw;
   ALTER SERVER ${me.schema}_x OWNER TO ${me.login}; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO ${me.login}`;
const withoutServer: Sql = () => "DROP EXTENSION IF EXISTS postgres_fdw CASCADE";
const missing = "42704";

export const extensions: Attempt[] = [
  extend(
    "create a trusted extension",
    (_v, me) => `CREATE EXTENSION hstore SCHEMA ${me.schema}`,
    all(mayCreateInDatabase, mayCreateInOwnSchema),
  ),
  extend("create dblink", (_v, me) => `CREATE EXTENSION dblink SCHEMA ${me.schema}`, aSuperuser),
  extend(
    "call dblink",
    (_v, me) => `SELECT ${me.schema}.dblink_get_connections()`,
    (_v, me) => `CREATE EXTENSION dblink SCHEMA ${me.schema}`,
    {
      refused: [UNDEFINED_FUNCTION],
      after: () => "DROP EXTENSION IF EXISTS dblink",
    },
  ),
  extend("create a foreign data wrapper", () => "CREATE FOREIGN DATA WRAPPER mine", aSuperuser),
  extend(
    "create a foreign server",
    () => "CREATE SERVER mine FOREIGN DATA WRAPPER postgres_fdw",
    (_v, me) =>
      `CREATE EXTENSION postgres_fdw SCHEMA ${me.schema}; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO ${me.login}`,
    {
      refused: [missing, DENIED],
      after: withoutServer,
    },
  ),
  extend(
    "map itself to another user",
    (_v, me) => `CREATE USER MAPPING FOR ${me.login} SERVER ${me.schema}_x OPTIONS (user 'postgres')`,
    aServer,
    {
      refused: [missing, DENIED],
      after: withoutServer,
    },
  ),
  extend(
    "create a foreign table",
    (_v, me) => `CREATE FOREIGN TABLE ${me.schema}.mine (id integer) SERVER ${me.schema}_x`,
    all(aServer, mayCreateInOwnSchema),
    {
      refused: [missing, DENIED],
      after: withoutServer,
    },
  ),
  extend(
    "read user mappings",
    () => "SELECT * FROM pg_user_mapping",
    all(
      aServer,
      (_v, me) =>
        `CREATE USER MAPPING FOR PUBLIC SERVER ${me.schema}_x; GRANT SELECT ON pg_user_mapping TO ${me.login}`,
    ),
    { after: withoutServer },
  ),
  {
    group: "extensions and foreign servers",
    name: "import a foreign schema",
    where: "own",
    sql: (_v, me) =>
      `IMPORT FOREIGN SCHEMA information_schema LIMIT TO (tables) FROM SERVER ${me.schema}_x INTO ${me.schema}`,
    refused: [missing, DENIED],
    weakness: (v, me, f) => {
      const { host, port, database, user, password } = f.b.connection;
      return `${aServer(v, me, f)}; ${mayCreateInOwnSchema(v, me, f)};
        ALTER SERVER ${me.schema}_x OPTIONS (ADD host '${host}', ADD port '${port}', ADD dbname '${database}');
        CREATE USER MAPPING FOR ${user} SERVER ${me.schema}_x OPTIONS (user '${user}', password '${password}')`;
    },
    // Postgres' own client library may be built without TLS.
    beyond: ["08001"],
    after: withoutServer,
  },
  extend("load a library", () => "LOAD 'dblink'", aSuperuser),
  extend("create a language", () => "CREATE LANGUAGE mine HANDLER plpgsql_call_handler", aSuperuser),
  extend(
    "create a function in C",
    (_v, me) => `CREATE FUNCTION ${me.schema}.mine() RETURNS integer LANGUAGE c AS 'dblink', 'dblink_connect'`,
    all(aSuperuser),
  ),
];
