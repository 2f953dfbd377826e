import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { DatabaseAccess } from "../../src/operator/databases/database-access.ts";
import { operatorConfig } from "../../src/operator/config.ts";
import { schemaName } from "../../src/api/names.ts";
import { Client } from "pg";
import { clientOptions, type ConnectionSettings, GUIDE_POOL_LIMITS } from "../../src/database/connection.ts";
import { AgentDatabase } from "../../src/database/runs/database.ts";
import { createAuthority } from "../../src/local-cluster/pki.ts";
import { settingsFromFiles, settingsFromUrl } from "../../src/runtime/credentials/database-settings.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { makeCertificates, startPostgres, type TestPostgres } from "../support/postgres.ts";
import { secretFiles } from "../runtime/fixture.ts";
import { closeDatabases, migrationFolder, openDatabase, run } from "./fixture.ts";

/** OpenSSL 3 has TLS 1.1 at this security level only. */
const OLD_CIPHERS = "DEFAULT@SECLEVEL=0";
const SCHEMA = schemaName("t_0123456789ab");
let postgres: TestPostgres;
/** Speaks TLS 1.1 only. */
let old: TestPostgres;
/** Speaks no TLS. */
let plain: TestPostgres;
let admin: ConnectionSettings;
beforeAll(async () => {
  postgres = await startPostgres({ listenAddresses: "127.0.0.1,127.0.0.2" });
  admin = await postgres.createOperatorRole();
  const only11 = { ssl_min_protocol_version: "TLSv1.1", ssl_max_protocol_version: "TLSv1.1" };
  old = await startPostgres({ settings: { ...only11, ssl_ciphers: OLD_CIPHERS } });
  plain = await startPostgres({ tls: "offered", settings: { ssl: "off" } });
});
afterAll(async () => {
  await closeDatabases();
  await Promise.all([postgres, old, plain].map((it) => it?.stop()));
});

/** Puts another certificate in the place of the server's, in use from the next connection on. */
async function show({ cert, key }: { cert: string; key: string }): Promise<void> {
  const folder = join(dirname(postgres.dataDirectory), "tls");
  await writeFile(join(folder, "server.key"), key);
  await writeFile(join(folder, "server.crt"), cert);
  await postgres.restart();
}

/** Both programs' own ways to the database. */
const PATHS: [string, (settings: ConnectionSettings) => Promise<unknown>][] = [
  ["the operator", async (settings) => (await openDatabase(settings)).bootstrap()],
  ["the operator's login check", async (settings) => (await openDatabase(settings)).ping()],
  [
    "an agent",
    async (settings) => {
      const db = new AgentDatabase(SCHEMA, settings, "test", GUIDE_POOL_LIMITS, () => {});
      return db.query("one", "SELECT 1").finally(() => db.close());
    },
  ],
];

describe.each(PATHS)("%s", (_, connect) => {
  const refused = (settings: ConnectionSettings, remedy: RegExp) =>
    expect(connect(settings)).rejects.toMatchObject({
      name: "DatabaseTlsFailed",
      message: expect.stringMatching(remedy) as unknown,
    });

  it("connects with TLS when the CA, the name and the date are right", async () => {
    await connect(admin);
  });

  it("refuses a certificate of another CA", async () => {
    const { ca } = await makeCertificates(["127.0.0.1"]);
    await refused({ ...admin, tls: { ca } }, /put the CA that issued it into ca\.crt/);
    await refused({ ...admin, tls: {} }, /put the CA that issued it into ca\.crt/);
  });

  it("refuses a certificate that does not name the host", async () => {
    await refused({ ...admin, host: "127.0.0.2" }, /does not name this host; connect by a name that is in it/);
  });

  it("refuses a certificate that has expired", async () => {
    const authority = await createAuthority("AgentPG test CA");
    const minuteAgo = new Date(Date.now() - 60_000);
    const { certificate: cert, key } = await authority.issue({ user: "db", addresses: ["127.0.0.1"] }, minuteAgo);
    await show({ cert, key });
    await refused({ ...admin, tls: { ca: authority.certificate } }, /has expired; renew it/);
    await show(postgres.certificate);
  });

  it("refuses a server without TLS, unless plain text was asked for", async () => {
    const settings = plain.adminSettings();
    await refused({ ...settings, tls: {} }, /offers no TLS; turn it on there \(ssl = on\)/);
    await connect({ ...settings, tls: "disable" });
  });

  it("refuses a server that speaks nothing newer than TLS 1.1", async () => {
    await refused(old.adminSettings(), /let the server use TLS 1\.2 or newer/);
  });

  it("takes a bundle of two CAs, so that certificates can be changed one by one", async () => {
    const next = await makeCertificates(["127.0.0.1"]);
    const both = { ...admin, tls: { ca: `${postgres.ca}\n${next.ca}` } };
    await connect(both);
    await show(next);
    await connect(both);
    await refused(admin, /put the CA that issued it/);
    await show(postgres.certificate);
  });

  it("heeds no TLS setting of node-postgres or Node in the environment", async () => {
    const before = { ...process.env };
    Object.assign(process.env, { PGSSLMODE: "disable", NODE_TLS_REJECT_UNAUTHORIZED: "0" });
    try {
      await refused({ ...plain.adminSettings(), tls: {} }, /offers no TLS/);
      await refused({ ...admin, tls: {} }, /put the CA that issued it/);
    } finally {
      process.env = before;
    }
  });
});

test("a client without the floor would speak TLS 1.1 with the old server", async () => {
  const version = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: OLD_CIPHERS } as const;
  const client = new Client({ ...clientOptions(old.adminSettings(), "test"), ssl: { ca: old.ca, ...version } });
  await client.connect();
  const { rows } = await client.query("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
  await client.end();
  expect(rows).toEqual([{ version: "TLSv1.1" }]);
});

test("a session uses TLS 1.2 or newer", async () => {
  const [row] = await run(admin, "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
  expect(row).toEqual({ ssl: true, version: "TLSv1.3" });
});

test("the operator takes a changed ca.crt without a restart", async () => {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-tls-"));
  const put = (files: Record<string, string>) =>
    Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)));
  await put({ username: admin.user, password: admin.password, "ca.crt": postgres.ca });
  const { host, port, database: name } = admin;
  const config = operatorConfig.parse({
    namespace: "agentpg",
    image: "agentpg",
    database: { host, port, name, credentialsDir: folder },
  }).database;
  const access = new DatabaseAccess({
    name: "default",
    config,
    isOneOfSeveral: false,
    room: 1,
    identity: "test",
    claimant: async () => "cluster-1",
    tenantSelector: "",
    migrationsDir: await migrationFolder({ "0001_none.sql": "SELECT 1" }),
    logger: silentLogger,
  });
  try {
    await access.use((it) => it.ping());
    const next = await makeCertificates(["127.0.0.1"]);
    await show(next);
    await expect(access.use((it) => it.ping())).rejects.toThrow(/put the CA that issued it/);
    await put({ "ca.crt": next.ca });
    await access.use((it) => it.ping());
    expect(access.agentTarget().ca).toBe(next.ca.trim());
  } finally {
    await access.close();
    await show(postgres.certificate);
    await rm(folder, { recursive: true });
  }
});

describe("the sslmode of an agent that runs alone", () => {
  const url = (mode?: string) => `postgres://me:pw@db.example.com/app${mode ? `?sslmode=${mode}` : ""}`;
  const tlsOf = (mode: string | undefined, insecure: boolean) =>
    settingsFromUrl(url(mode), SCHEMA, "the CA", insecure).connection.tls;

  it.each([undefined, "require", "verify-ca", "verify-full"])(
    "%s is verify-full, also where plain text is allowed",
    (mode) => {
      for (const insecure of [true, false]) expect(tlsOf(mode, insecure)).toEqual({ ca: "the CA" });
    },
  );

  it.each(["prefer", "allow", "no-verify", "VERIFY-FULL", "disabled"])("%s is refused by name", (mode) => {
    for (const insecure of [true, false])
      expect(() => tlsOf(mode, insecure)).toThrow(`sslmode=${mode} is not supported: use verify-full`);
  });

  it("disable needs the explicit flag, in a URL and in the operator's files", () => {
    expect(tlsOf("disable", true)).toBe("disable");
    expect(() => tlsOf("disable", false)).toThrow(/AGENTPG_INSECURE_DATABASE=true/);
    const files = { ...secretFiles(admin, SCHEMA), sslmode: "disable" };
    expect(() => settingsFromFiles(files, false)).toThrow(/AGENTPG_INSECURE_DATABASE=true/);
  });
});
