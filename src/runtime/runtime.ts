import { setTimeout as sleep } from "node:timers/promises";
import { needsWorkspace } from "../api/agent.ts";
import { TranscriptCipher } from "../database/encryption/cipher.ts";
import { AgentDatabase } from "../database/runs/database.ts";
import { knownSessions } from "../database/runs/sessions.ts";
import { WakeListener, wakeChannel } from "../database/runs/wake.ts";
import { createLogger, type Logger, silentLogger } from "../telemetry/log.ts";
import type { BatchSettings } from "./batch/settings.ts";
import type { RuntimeConfig } from "./config.ts";
import { ConnectionShare } from "./connection-share.ts";
import { modelKeySource } from "./credentials/api-key.ts";
import { brokerCertificates } from "./credentials/broker-certificates.ts";
import { databaseSource, type DatabaseSettings, schemaReplaced } from "./credentials/database-settings.ts";
import { transcriptKeySource, untilTranscriptKeys } from "./credentials/transcript-keys.ts";
import type { Watched } from "../process/watched.ts";
import { DatabaseHealth } from "./database-health.ts";
import { budgetRatio } from "./engine/budget.ts";
import { Engine } from "./engine/engine.ts";
import { createAccess } from "./http/access.ts";
import { createApiApp, createMetricsApp, type Readiness } from "./http/app.ts";
import { problemHandler } from "./http/problems.ts";
import { errorsAreRedacted } from "./http/redaction-proof.ts";
import { createHooks } from "./hooks/create-hooks.ts";
import { listen } from "./listen.ts";
import { observeMcp, observeProcess } from "./metrics/gauges.ts";
import { RuntimeMetrics } from "./metrics/metrics.ts";
import { patiently } from "./patiently.ts";
import type { Patience } from "./model/ask-patiently.ts";
import { Claude, type Model } from "./model/client.ts";
import { ModelHealth } from "./model/health.ts";
import { type LoadedModule, loadModules } from "./modules/load.ts";
import { withProtection } from "./pii/hooks.ts";
import { createProtection } from "./pii/protection.ts";
import { securityReport } from "./security-report.ts";
import { type HttpNetwork, INTERNET } from "./tools/http.ts";
import { bearerToken } from "./credentials/bearer-token.ts";
import { McpServers } from "./tools/mcp/servers.ts";
import { createTools } from "./tools/registry.ts";
import { statementProblem } from "./tools/statements.ts";
import { startSweep } from "./tools/workspace/sweep.ts";
import { Workspace } from "./tools/workspace/workspace.ts";
import { startTracing } from "./tracing/start.ts";

export const VERSION = "0.1.0";

/** How long the last spans may take to be sent, in milliseconds: a pod has ten seconds to end after its grace for work. */
const TRACING_GRACE_MS = 3000;

/** What a test may put in the place of the real thing. */
export interface RuntimeParts {
  log?: Logger;
  model?: Model;
  network?: HttpNetwork;
  modules?: LoadedModule[];
  patience?: Patience;
  pollMs?: number;
  batch?: Partial<BatchSettings>;
}

export interface Runtime {
  /** Where the API listens. */
  port: number;
  metricsPort: number;
  engine: Engine;
  metrics: RuntimeMetrics;
  status: () => unknown;
  /** Resolves, with why, when this process can serve no longer and another has to begin in its place. */
  overtaken: Promise<Error>;
  /** Drains and closes everything. @param drainSeconds the grace for work under way; the configured one unless told */
  stop(drainSeconds?: number): Promise<void>;
}

/** The database's address and credentials have to be there before anything can start: waits for them, as a mounted Secret may come late. */
async function firstSettings(source: Watched<DatabaseSettings>, log: Logger): Promise<DatabaseSettings> {
  const settings = source.value;
  if (settings) return settings;
  log.warn({ err: source.problem }, "waiting for the database credentials");
  return new Promise((resolve) => source.onChange(resolve));
}

async function untilReady(health: DatabaseHealth, log: Logger): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    await health.check();
    if (health.ready) return;
    if (attempt % 30 === 0) log.warn({ database: health.status }, "waiting for the database and its migrations");
    await new Promise((resolve) => setTimeout(resolve, Math.min(250 * (attempt + 1), 1000)));
  }
}

function openDatabases(
  config: RuntimeConfig,
  { schema, connection }: DatabaseSettings,
  transcripts: TranscriptCipher,
  log: Logger,
) {
  const { AGENTPG_POOL_MAX: max, AGENTPG_POOL_MIN: min } = config.env;
  const { AGENTPG_POOL_IDLE_SECONDS: idleSeconds, AGENTPG_POOL_LIFETIME_SECONDS: lifetimeSeconds } = config.env;
  const onError = (error: Error) => log.debug({ err: error }, "an idle database connection broke");
  // One connection each until the share of this process is known.
  const limits = { min: 0, max: 1, idleMs: idleSeconds * 1000, lifetimeSeconds };
  // Every tenant of the server sees it in pg_stat_activity: no agent's name.
  const name = "agentpg-runtime";
  const db = new AgentDatabase(schema, connection, name, limits, onError, transcripts);
  // Its own few connections, so that a slow query of a tool never holds up the runs themselves.
  const idleMs = Math.min(60_000, limits.idleMs);
  const toolDb = new AgentDatabase(schema, connection, name, { ...limits, idleMs }, onError, undefined, "Free");
  return { db, toolDb, share: new ConnectionShare({ max, min }, db, toolDb, log) };
}

/**
 * Starts an agent: probes and metrics at once, the API when the database is there.
 * @throws ConfigError when the configuration cannot work
 */
export async function startRuntime(config: RuntimeConfig, parts: RuntimeParts = {}): Promise<Runtime> {
  const { agent, env } = config;
  const log = parts.log ?? createLogger("agentpg-runtime", env.AGENTPG_LOG_LEVEL);
  const metrics = new RuntimeMetrics({ model: agent.model, version: VERSION });
  const tracing = await startTracing(config, metrics, VERSION);
  const apiKey = await modelKeySource(agent, env).start();
  const baseURL = agent.brokerUrl ?? agent.anthropicBaseUrl;
  const certificates = await brokerCertificates(agent, env)?.start();
  const stallMs = env.AGENTPG_STALL_SECONDS * 1000;
  const model = parts.model ?? new Claude({ apiKey, baseURL, certificates, stallMs, log });
  const modelHealth = new ModelHealth(model, agent.model, apiKey);

  let health: DatabaseHealth | undefined;
  let engine: Engine | undefined;
  let leaving = false;
  let transcripts: TranscriptCipher | undefined;
  const readiness: Readiness = () => {
    const reasons = [
      ...(leaving ? ["draining"] : []),
      ...(engine ? [] : ["starting"]),
      ...(health?.ready ? [] : ["the database cannot be reached, or is not migrated"]),
      ...(health?.ready && engine?.holdsLeases === false ? ["the database takes no writes"] : []),
      ...(modelHealth.key.present ? [] : ["there is no API key"]),
      ...(modelHealth.neverKnown ? ["the model does not exist"] : []),
      ...(transcripts?.canWrite === false ? ["there is no key to encrypt transcripts with"] : []),
    ];
    return { ready: reasons.length === 0, reasons };
  };
  const status = () => ({
    model: { name: agent.model, ...modelHealth.status },
    database: health?.status ?? { ok: false, revision: "", schemaVersion: null },
    apiKey: modelHealth.key,
    transcripts: { encrypted: agent.encryptTranscripts, readable: transcripts?.readable ?? [] },
    config: { revision: config.revision },
    readiness: readiness(),
    mcp: mcp.status,
    version: VERSION,
  });
  let toolDatabase: AgentDatabase | undefined;
  const ours = { tenant: agent.tenant.name, agent: agent.agent.name, log };
  const { toolTimeoutSeconds: defaultTimeoutSeconds } = agent.limits;
  const modules = parts.modules ?? (await loadModules(agent.modules, env.AGENTPG_MODULES_DIR));
  const protection = createProtection(agent, metrics);
  const moduleHooks = modules.flatMap((it) => it.hooks);
  const hooks = createHooks(withProtection(protection, moduleHooks), { ...ours, metrics });
  const tools = createTools(agent.tools, {
    db: () => toolDatabase as AgentDatabase,
    defaultTimeoutSeconds,
    approvals: agent.approvals?.tools ?? [],
    modules: { loaded: modules, host: { ...ours, defaultTimeoutSeconds } },
    workspace: new Workspace(env.AGENTPG_WORKSPACE_DIR, agent.workspace),
    ...(parts.network ? { network: parts.network } : {}),
  });
  const mcp = new McpServers(agent.tools, tools, {
    network: parts.network ?? INTERNET,
    version: VERSION,
    tokenOf: (tool) => bearerToken(env.AGENTPG_MCP_TOKENS_DIR, tool),
    log,
    defaultTimeoutSeconds,
    approvals: agent.approvals?.tools ?? [],
  });
  observeMcp(metrics.registry, () => mcp.status);
  const mcpTried = mcp.start();
  const metricsServer = await listen(
    createMetricsApp(metrics, status, readiness, log),
    env.AGENTPG_METRICS_PORT,
    env.AGENTPG_HOST,
  );

  const source = await databaseSource(env).start();
  const settings = await firstSettings(source, log);
  const overtaken = schemaReplaced(source, settings);
  const keys = await transcriptKeySource(env).start();
  const cipher = new TranscriptCipher(settings.schema, () => keys.value, agent.encryptTranscripts);
  transcripts = cipher;
  const { db, toolDb, share } = openDatabases(config, settings, cipher, log);
  toolDatabase = toolDb;
  const access = createAccess(config);
  const listener = new WakeListener(
    wakeChannel(settings.schema, agent.agent.name),
    () => (share.listen ? db.settings : undefined),
    () => engine?.nudge(),
  );
  share.onListenChanged = () => listener.reconnect();
  health = new DatabaseHealth(
    [db, toolDb],
    source,
    settings,
    log,
    () => listener.reconnect(),
    () => share.refresh(engine !== undefined),
  );
  const usable = untilReady(health, log).then(() => untilTranscriptKeys(keys, cipher, log));
  const tooLate = await Promise.race([usable, overtaken]);
  if (tooLate) throw tooLate;

  const invalidStatement = await statementProblem(agent.tools, toolDb, log);
  let errorsRedacted: boolean | null = null;
  const security = securityReport(agent, env.AGENTPG_CONFIG_REVISION, tools, () => errorsRedacted);
  const ready = new Engine({
    config: agent,
    db,
    tools,
    hooks,
    protection,
    tracing,
    model,
    health: modelHealth,
    metrics,
    log,
    leaseSeconds: env.AGENTPG_LEASE_SECONDS,
    refreshKey: () => apiKey.refresh(),
    report: () => ({
      pod: env.AGENTPG_POD_NAME,
      credentials: health?.status.revision ?? "",
      transcriptKeys: cipher.readable,
      problem: modelHealth.problem ?? invalidStatement,
      security: security(),
    }),
    patience: parts.patience,
    ...(parts.pollMs ? { pollMs: parts.pollMs } : {}),
    batch: parts.batch,
  });
  const { load } = ready;
  await patiently("the tenant's load", () => load.refresh(true), log);
  observeProcess(metrics.registry, {
    ready: () => readiness().ready,
    active: () => ready.active,
    queued: () => load.queued,
    inBatches: () => ready.batches.waiting,
    budgetRatio: () => budgetRatio(agent.budget, load.spent),
    spent: () => load.spent,
    pool: () => db.gauges,
    limits: { concurrentRuns: load.concurrentRuns, queuedRuns: agent.limits.queuedRuns, budget: agent.budget },
  });
  // The first report should tell of an unknown model or a refused key; an endpoint that is slow or down holds nothing up.
  await Promise.race([modelHealth.verify(), new Promise((resolve) => setTimeout(resolve, 3000).unref())]);
  await mcpTried;
  await patiently("a lease", () => ready.start(), log);
  await access.start();
  engine = ready;
  health.start();
  modelHealth.start();
  void listener.run();
  void errorsAreRedacted(problemHandler(silentLogger)).then((proof) => {
    errorsRedacted = proof;
  });
  const stopSweep = needsWorkspace(agent.tools)
    ? startSweep(env.AGENTPG_WORKSPACE_DIR, (ids) => knownSessions(db, ids), log)
    : undefined;
  const { beforeMessage } = hooks;
  const asksModules = moduleHooks.some((it) => it.beforeMessage);
  const check = beforeMessage && { db, config: agent, beforeMessage, protection, asksModules };
  const compaction = { db, config: agent, compactor: ready.compactor, worker: ready.worker, budget: ready.budget };
  const routes = {
    db,
    agent: agent.agent.name,
    engine: ready,
    load,
    tools,
    metrics,
    check,
    protection,
    compaction,
    tracing,
  };
  const api = await listen(
    createApiApp(routes, access.guard, readiness, log, VERSION),
    env.AGENTPG_PORT,
    env.AGENTPG_HOST,
    env.AGENTPG_LEAVE_SECONDS,
  );
  log.info(
    { port: api.port, metricsPort: metricsServer.port, revision: config.revision, schema: settings.schema },
    "the agent is up",
  );

  async function stop(drainSeconds = env.AGENTPG_DRAIN_SECONDS): Promise<void> {
    // Whoever sends requests here learns only with a delay that they go elsewhere: until then all are served.
    leaving = true;
    api.leave();
    if (env.AGENTPG_LEAVE_SECONDS > 0) {
      await sleep(env.AGENTPG_LEAVE_SECONDS * 1000);
      api.server.closeIdleConnections(); // whoever kept one open takes a new one, to another process
    }
    await ready.drain(drainSeconds);
    await mcp.stop();
    await api.close(1000);
    access.stop();
    stopSweep?.();
    modelHealth.stop();
    health?.stop();
    source.stop();
    keys.stop();
    apiKey.stop();
    certificates?.stop();
    listener.close();
    await Promise.all([db.close(), toolDb.close()]);
    await tracing?.stop(TRACING_GRACE_MS);
    await metricsServer.close(1000);
  }
  return { port: api.port, metricsPort: metricsServer.port, engine: ready, metrics, status, overtaken, stop };
}
