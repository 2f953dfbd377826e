import { readFile } from "node:fs/promises";
import { DATABASE_FILES } from "../../api/agent-config.ts";
import { type SchemaName, schemaName } from "../../api/names.ts";
import type { ConnectionSettings } from "../../database/connection.ts";
import type { Environment } from "../config.ts";
import { readSecretFile, readSecretFiles } from "../../process/secret-files.ts";
import { Watched } from "../../process/watched.ts";

export interface DatabaseSettings {
  connection: ConnectionSettings;
  schema: SchemaName;
  /** Of the credentials, as the operator counts them; empty when run alone. */
  revision: string;
}

/** The tenant's data is in another schema than the one that this process began with. */
class SchemaReplaced extends Error {
  override name = "SchemaReplaced";
}

/**
 * Resolves when the credentials name another schema: the operator made the tenant anew, as in a database that came back empty.
 * Statements, keys and wake-ups are bound to the schema, and all that the process knows is of the former one: it has to begin anew.
 */
export const schemaReplaced = (source: Watched<DatabaseSettings>, { schema }: DatabaseSettings): Promise<Error> =>
  new Promise((resolve) =>
    source.onChange((now) => {
      if (now.schema !== schema) resolve(new SchemaReplaced(whyReplaced(schema, now.schema)));
    }),
  );

const whyReplaced = (former: SchemaName, now: SchemaName): string =>
  `the database credentials name the schema ${now}, and this process began with ${former}: it ends, to be started anew with the other`;

/** `Transaction` is the only pooler that makes a difference. */
function poolerOf(name: string | undefined): { pooler?: "Transaction" } {
  if (!name || name === "None") return {};
  if (name !== "Transaction") throw new Error(`not a kind of pooler: ${name}; use None or Transaction`);
  return { pooler: "Transaction" };
}

/** `pgbouncer=true` is what other libraries take in a URL too. */
function poolerInUrl(url: URL): { pooler?: "Transaction" } {
  const asked = url.searchParams.get("pgbouncer");
  if (asked !== null && asked !== "true" && asked !== "false")
    throw new Error("DATABASE_URL: pgbouncer must be true or false");
  return asked === "true" ? { pooler: "Transaction" } : {};
}

const TLS_MODES = ["verify-full", "require", "verify-ca"];

/** Anything but `disable` is verify-full; `disable` only when that was asked for aloud. */
function tlsOf(mode: string | undefined, ca: string | undefined, insecure: boolean): ConnectionSettings["tls"] {
  if (mode === "disable") {
    if (!insecure)
      throw new Error(
        "sslmode=disable would send the password and all data in plain text: set AGENTPG_INSECURE_DATABASE=true if that is meant",
      );
    return "disable";
  }
  if (mode && !TLS_MODES.includes(mode)) throw new Error(`sslmode=${mode} is not supported: use verify-full`);
  return ca ? { ca } : {};
}

function port(text: string | undefined): number {
  const value = Number(text || 5432);
  if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new Error(`not a port: ${text}`);
  return value;
}

/** @throws when a part is missing or empty: the message names it */
export function settingsFromFiles(files: Record<string, string>, insecure: boolean): DatabaseSettings {
  const need = (file: string): string => {
    if (!files[file]) throw new Error(`the database credentials have no ${file} (missing or empty file)`);
    return files[file];
  };
  return {
    connection: {
      host: need(DATABASE_FILES.host),
      port: port(files[DATABASE_FILES.port]),
      database: need(DATABASE_FILES.database),
      user: need(DATABASE_FILES.user),
      password: need(DATABASE_FILES.password),
      tls: tlsOf(files[DATABASE_FILES.sslMode], files[DATABASE_FILES.ca], insecure),
      ...poolerOf(files[DATABASE_FILES.pooler]),
    },
    schema: schemaName(need(DATABASE_FILES.schema)),
    revision: files[DATABASE_FILES.revision] ?? "",
  };
}

/** @throws when the URL lacks a part; the message never holds the URL */
export function settingsFromUrl(
  text: string,
  schema: string | undefined,
  ca: string | undefined,
  insecure: boolean,
): DatabaseSettings {
  if (!URL.canParse(text)) throw new Error("DATABASE_URL is not a URL: postgres://user:password@host:5432/database");
  const url = new URL(text);
  const { hostname, username, password, pathname } = url;
  if (!/^postgres(ql)?:$/.test(url.protocol)) throw new Error("DATABASE_URL must start with postgres://");
  if (!username || !password || pathname.length < 2)
    throw new Error("DATABASE_URL needs a user, a password and a database");
  if (!schema) throw new Error("set AGENTPG_SCHEMA to the tenant's schema (t_<12 hex>)");
  return {
    connection: {
      host: hostname.replace(/^\[|\]$/g, ""),
      port: port(url.port),
      database: decodeURIComponent(pathname.slice(1)),
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      tls: tlsOf(url.searchParams.get("sslmode") ?? undefined, ca, insecure),
      ...poolerInUrl(url),
    },
    schema: schemaName(schema),
    revision: "",
  };
}

async function fromUrl(text: string, env: Environment): Promise<DatabaseSettings> {
  const path = URL.canParse(text) ? new URL(text).searchParams.get("sslrootcert") : null;
  const ca = path ? await readFile(path, "utf8") : undefined;
  return withPooler(settingsFromUrl(text, env.AGENTPG_SCHEMA, ca, env.AGENTPG_INSECURE_DATABASE), env);
}

/** The environment's word on the pooler holds where the credentials say nothing. */
const withPooler = (settings: DatabaseSettings, env: Environment): DatabaseSettings => ({
  ...settings,
  connection: { ...poolerOf(env.AGENTPG_POOLER), ...settings.connection },
});

/** Where the database is and how to log in: the secrets directory, DATABASE_URL, or the operator's mounted Secret. */
export function databaseSource(env: Environment): Watched<DatabaseSettings> {
  const insecure = env.AGENTPG_INSECURE_DATABASE;
  const { AGENTPG_SECRETS_DIR: secrets, DATABASE_URL: url, AGENTPG_DATABASE_DIR: mounted } = env;
  if (url) return new Watched(() => fromUrl(url, env), 3_600_000);
  if (secrets) return new Watched(async () => fromUrl(await readSecretFile(secrets, "database-url"), env));
  return new Watched(async () =>
    withPooler(settingsFromFiles(await readSecretFiles(mounted, Object.values(DATABASE_FILES)), insecure), env),
  );
}
