import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, symlink, writeFile, rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import type { z } from "zod";
import { agentConfig, type AgentConfig, DATABASE_FILES } from "../../src/api/agent-config.ts";
import { type TenantDatabaseNames } from "../../src/api/names.ts";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";
import { createTenantDatabase, type TenantDatabase } from "../../src/database/tenants.ts";
import { AgentClient, type ReceivedEvent } from "../../src/runtime/client.ts";
import { readEnvironment } from "../../src/runtime/config.ts";
import { type Runtime, type RuntimeParts, startRuntime } from "../../src/runtime/runtime.ts";
import { createLogger, type Logger, silentLogger } from "../../src/telemetry/log.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { SimulatedClaude } from "../support/simulated-claude/server.ts";
import type { SimulatedConfig } from "../support/simulated-claude/config.ts";

export const log: Logger = process.env.TEST_LOG ? createLogger("test", process.env.TEST_LOG) : silentLogger;

/** A Secret volume as the kubelet makes it: files behind the link `..data`, swapped at once. */
export class SecretVolume {
  readonly path: string;
  #version = 0;
  constructor(path: string) {
    this.path = path;
  }
  async publish(files: Record<string, string>): Promise<void> {
    const version = `..v${++this.#version}`;
    await mkdir(join(this.path, version), { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(this.path, version, name), text);
    await symlink(version, join(this.path, "..next"));
    await rename(join(this.path, "..next"), join(this.path, "..data"));
    for (const name of Object.keys(files)) {
      await symlink(join("..data", name), join(this.path, name)).catch(() => {});
    }
  }
}

export const secretFiles = (
  connection: ConnectionSettings,
  schema: string,
  revision = "1",
): Record<string, string> => ({
  [DATABASE_FILES.host]: connection.host,
  [DATABASE_FILES.port]: String(connection.port),
  [DATABASE_FILES.database]: connection.database,
  [DATABASE_FILES.user]: connection.user,
  [DATABASE_FILES.password]: connection.password,
  [DATABASE_FILES.sslMode]: "verify-full",
  [DATABASE_FILES.ca]: (connection.tls as { ca: string }).ca,
  [DATABASE_FILES.schema]: schema,
  [DATABASE_FILES.revision]: revision,
  [DATABASE_FILES.pooler]: connection.pooler ?? "None",
});

type ConfigChange = Partial<z.input<typeof agentConfig>> & { name?: string };

/** A tenant with a database, a simulated Claude, and room for agents. */
export class World {
  readonly postgres: TestPostgres;
  readonly claude: SimulatedClaude;
  readonly claudeUrl: string;
  readonly operator: TenantDatabase;
  readonly operatorDatabase: string;
  readonly epoch: number;
  readonly tenant = { uid: randomUUID(), name: "acme", namespace: "acme", connectionLimit: 100 };
  names!: TenantDatabaseNames;
  connection!: ConnectionSettings;
  folder!: string;
  database!: SecretVolume;
  anthropic!: SecretVolume;
  readonly #runtimes = new Set<Runtime>();

  private constructor(
    postgres: TestPostgres,
    claude: SimulatedClaude,
    claudeUrl: string,
    operator: TenantDatabase,
    operatorDatabase: string,
    epoch: number,
  ) {
    this.postgres = postgres;
    this.claude = claude;
    this.claudeUrl = claudeUrl;
    this.operator = operator;
    this.operatorDatabase = operatorDatabase;
    this.epoch = epoch;
  }

  static async create(): Promise<World> {
    const postgres = await startPostgres();
    const claude = new SimulatedClaude();
    const url = await claude.listen();
    const admin = await postgres.createOperatorRole();
    const operator = await createTenantDatabase({
      admin,
      migrationsDir: "migrations",
      clusterUid: "test",
      logger: silentLogger,
    });
    await operator.bootstrap();
    const world = new World(postgres, claude, url, operator, admin.database, await operator.acquireEpoch("test"));
    world.names = (await operator.ensure(world.tenant, world.epoch)).names;
    world.connection = (await operator.ensurePassword(world.tenant, undefined, world.epoch)).connection;
    world.folder = await mkdtemp(join(tmpdir(), "agentpg-runtime-"));
    world.database = new SecretVolume(join(world.folder, "database"));
    world.anthropic = new SecretVolume(join(world.folder, "anthropic"));
    await world.database.publish(secretFiles(world.connection, world.names.schema));
    await world.anthropic.publish({ "api-key": "sk-ant-test-0001" });
    return world;
  }

  /** Puts Claude and the tenant's key back as they were. */
  async fresh(config: Partial<SimulatedConfig> = {}): Promise<void> {
    this.claude.config = { ...new SimulatedClaude().config, ...config };
    this.claude.reset();
  }

  config({ name = "support", ...change }: ConfigChange = {}): AgentConfig {
    return agentConfig.parse({
      tenant: { name: "acme", uid: this.tenant.uid, namespace: "acme" },
      agent: { name, uid: "agent-1" },
      model: "claude-sonnet-5-5",
      systemPrompt: "You help.",
      maxOutputTokens: 1024,
      limits: {},
      tools: [],
      tenantLimits: { runsPerMinute: 100_000, concurrentRuns: 500 },
      budget: {},
      access: { source: "none" },
      anthropicBaseUrl: this.claudeUrl,
      ...change,
    });
  }

  /** The environment of an agent pod. */
  environment(more: Record<string, string> = {}): Record<string, string> {
    return {
      AGENTPG_DATABASE_DIR: this.database.path,
      AGENTPG_ANTHROPIC_DIR: this.anthropic.path,
      AGENTPG_INSECURE_NO_AUTH: "true",
      AGENTPG_HOST: "127.0.0.1",
      AGENTPG_PORT: "0",
      AGENTPG_METRICS_PORT: "0",
      AGENTPG_LEASE_SECONDS: "2",
      AGENTPG_STALL_SECONDS: "1",
      ...more,
    };
  }

  /** An agent in this process. */
  async start(
    change: ConfigChange = {},
    parts: RuntimeParts = {},
    env: Record<string, string> = {},
  ): Promise<Runtime & { client: AgentClient; url: string }> {
    const config = { agent: this.config(change), revision: "test", env: readEnvironment(this.environment(env)) };
    const patience = { interruptedAttempts: 5, firstMs: 20, longestMs: 200 };
    const runtime = await startRuntime(config, { log, patience, ...parts });
    this.#runtimes.add(runtime);
    const url = `http://127.0.0.1:${runtime.port}`;
    return Object.assign(runtime, { client: new AgentClient({ baseUrl: url, patience: { attempts: 0 } }), url });
  }

  /** Ends the agents of this process. */
  async stopAgents(): Promise<void> {
    await Promise.all([...this.#runtimes].map((it) => it.stop(0)));
    this.#runtimes.clear();
  }
  forget(runtime: Runtime): void {
    this.#runtimes.delete(runtime);
  }

  /** As a superuser, in the tenant's schema. */
  async sql<Row = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new Client(clientOptions(this.postgres.adminSettings(this.operatorDatabase), "test"));
    await client.connect();
    try {
      await client.query(`SET search_path = ${this.names.schema}, pg_temp`);
      return (await client.query(text, values)).rows as Row[];
    } finally {
      await client.end();
    }
  }

  /** A table of the tenant's own data. */
  async data(sql: string): Promise<void> {
    await this.sql(`SET ROLE ${this.names.owner}; SET search_path = ${this.names.dataSchema}; ${sql}`);
  }

  async close(): Promise<void> {
    await this.stopAgents();
    await this.claude.close();
    await this.operator.close();
    await this.postgres.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function all(events: AsyncIterable<ReceivedEvent>): Promise<ReceivedEvent[]> {
  const list: ReceivedEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

export const types = (events: ReceivedEvent[]): string[] =>
  events.map((it) => it.type).filter((type, i, list) => type !== "text.delta" || list[i - 1] !== "text.delta");

/** The text that a client has in the end: what was streamed, without what was taken back. */
export function textOf(events: ReceivedEvent[]): string {
  let text = "";
  let mark = 0;
  for (const event of events) {
    if (event.type === "text.delta") text += event.data.text;
    else if (event.type === "restarted") text = text.slice(0, mark);
    else mark = text.length;
  }
  return text;
}
