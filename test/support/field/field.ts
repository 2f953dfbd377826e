import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { z } from "zod";
import { AGENT_NODE_OPTIONS, agentConfig } from "../../../src/api/agent-config.ts";
import type { TenantDatabaseNames } from "../../../src/api/names.ts";
import type { ConnectionSettings } from "../../../src/database/connection.ts";
import { createTenantDatabase, type TenantDatabase } from "../../../src/database/tenants.ts";
import { silentLogger } from "../../../src/telemetry/log.ts";
import { secretFiles, SecretVolume } from "../../runtime/fixture.ts";
import type { TestPostgres } from "../postgres.ts";
import { programEnvironment } from "../program-environment.ts";
import type { SimulatedConfig } from "../simulated-claude/config.ts";
import { Child } from "./child.ts";
import { type Endpoint, startEndpoint } from "./endpoint.ts";
import { type Issuer, startIssuer } from "./issuer.ts";
import { bundledProgram } from "./program.ts";

const root = join(import.meta.dirname, "..", "..", "..");

/** A tenant with its schema, its login, and the files that the operator would mount into its agents' pods. */
export interface FieldTenant {
  name: string;
  uid: string;
  names: TenantDatabaseNames;
  connection: ConnectionSettings;
  issuer: Issuer;
  database: SecretVolume;
  anthropic: SecretVolume;
}

export interface AgentProcess {
  child: Child;
  url: string;
  metricsUrl: string;
}

export interface AgentOptions {
  env?: Record<string, string>;
  /** Where a profile of the processor goes when the process ends. */
  profile?: string | undefined;
  /** Modules of a user's own, by name: their TypeScript. */
  modules?: Record<string, string> | undefined;
}

export type ConfigChange = Partial<z.input<typeof agentConfig>>;

/** The operator's side of the database, a folder, the program, and what was started. */
export class Field {
  readonly postgres: TestPostgres;
  readonly database: string;
  readonly folder: string;
  readonly #operator: TenantDatabase;
  readonly #epoch: number;
  readonly #program: string[];
  readonly #started: { stop(): Promise<void> }[] = [];
  #files = 0;

  private constructor(
    postgres: TestPostgres,
    database: string,
    folder: string,
    operator: TenantDatabase,
    epoch: number,
    program: string[],
  ) {
    this.postgres = postgres;
    this.database = database;
    this.folder = folder;
    this.#operator = operator;
    this.#epoch = epoch;
    this.#program = program;
  }

  /** @param program bundles what an agent's process runs into a folder, and gives the arguments of node */
  static async create(postgres: TestPostgres, program = bundledProgram): Promise<Field> {
    const admin = await postgres.createOperatorRole();
    const migrationsDir = join(root, "migrations");
    const operator = await createTenantDatabase({ admin, migrationsDir, clusterUid: "field", logger: silentLogger });
    await operator.bootstrap();
    const epoch = await operator.acquireEpoch("field");
    const folder = await mkdtemp(join(tmpdir(), "agentpg-field-"));
    return new Field(postgres, admin.database, folder, operator, epoch, await program(join(folder, "program")));
  }

  async tenant(name: string, connectionLimit = 100): Promise<FieldTenant> {
    const request = { uid: randomUUID(), name, namespace: name, connectionLimit };
    const { names } = await this.#operator.ensure(request, this.#epoch);
    const { connection } = await this.#operator.ensurePassword(request, undefined, this.#epoch);
    const issuer = await startIssuer(name);
    this.#started.push({ stop: async () => issuer.close() });
    const database = new SecretVolume(join(this.folder, name, "database"));
    const anthropic = new SecretVolume(join(this.folder, name, "anthropic"));
    await database.publish(secretFiles(connection, names.schema));
    await anthropic.publish({ "api-key": `sk-ant-field-${name}` });
    return { name, uid: request.uid, names, connection, issuer, database, anthropic };
  }

  /** Gives the tenant's agents another way to their database. */
  publish(tenant: FieldTenant, connection: ConnectionSettings): Promise<void> {
    return tenant.database.publish(secretFiles(connection, tenant.names.schema));
  }

  async endpoint(config: Partial<SimulatedConfig> = {}): Promise<Endpoint> {
    const endpoint = await startEndpoint(config);
    this.#started.push({ stop: () => endpoint.child.end("SIGKILL") });
    return endpoint;
  }

  /** An agent as a pod would run it. Every guard is on: tokens, schemas, budget, audit, row security. */
  async agent(tenant: FieldTenant, change: ConfigChange, more: AgentOptions = {}): Promise<AgentProcess> {
    const config = join(this.folder, `agent-${++this.#files}.json`);
    const modules = await this.#modules(more.modules ?? {});
    await writeFile(config, JSON.stringify(guarded(tenant, { ...change, modules })));
    const profile = more.profile ? ["--cpu-prof", `--cpu-prof-dir=${more.profile}`] : [];
    const child = new Child(
      spawn(process.execPath, [...profile, ...this.#program], {
        env: { ...programEnvironment(), ...environment(tenant, config, this.folder), ...more.env },
        stdio: ["ignore", "pipe", "pipe"],
      }),
    );
    this.#started.push({ stop: () => child.end("SIGKILL") });
    const { port, metricsPort } = JSON.parse(await child.line("the agent is up")) as Record<string, number>;
    return { child, url: `http://127.0.0.1:${port}`, metricsUrl: `http://127.0.0.1:${metricsPort}` };
  }

  async #modules(sources: Record<string, string>) {
    for (const [name, source] of Object.entries(sources)) {
      await mkdir(join(this.folder, "modules", name), { recursive: true });
      await writeFile(join(this.folder, "modules", name, "module.ts"), source);
    }
    return Object.keys(sources).map((name) => ({ name, file: "module.ts", revision: "1" }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#started.map((it) => it.stop()));
    await this.#operator.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

const guarded = (tenant: FieldTenant, change: ConfigChange) =>
  agentConfig.parse({
    tenant: { name: tenant.name, uid: tenant.uid, namespace: tenant.name },
    agent: { name: "bench", uid: "bench" },
    model: "claude-sonnet-5-5",
    systemPrompt: "You help.",
    maxOutputTokens: 1024,
    limits: {},
    tools: [],
    tenantLimits: { runsPerMinute: 1_000_000, concurrentRuns: 1000 },
    budget: { perDay: { usd: "1000000" }, perMonth: { usd: "10000000", tokens: 1_000_000_000_000 } },
    access: tenant.issuer.access,
    ...change,
  });

const environment = (tenant: FieldTenant, config: string, folder: string): Record<string, string> => ({
  NODE_ENV: "production",
  NODE_OPTIONS: AGENT_NODE_OPTIONS,
  AGENTPG_CONFIG: config,
  AGENTPG_DATABASE_DIR: tenant.database.path,
  AGENTPG_ANTHROPIC_DIR: tenant.anthropic.path,
  AGENTPG_MODULES_DIR: join(folder, "modules"),
  AGENTPG_HOST: "127.0.0.1",
  AGENTPG_PORT: "0",
  AGENTPG_METRICS_PORT: "0",
});
