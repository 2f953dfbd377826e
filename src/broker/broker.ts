import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentDatabase } from "../database/runs/database.ts";
import { fingerprint } from "../runtime/credentials/api-key.ts";
import { bearerToken } from "../runtime/credentials/bearer-token.ts";
import { databaseSource, type DatabaseSettings, schemaReplaced } from "../runtime/credentials/database-settings.ts";
import type { Watched } from "../process/watched.ts";
import { DatabaseHealth } from "../runtime/database-health.ts";
import type { FailedAttempts } from "../runtime/http/failed-attempts.ts";
import { PublishedKeys } from "../runtime/http/issuer-keys.ts";
import { listen } from "../runtime/listen.ts";
import type { Logger } from "../telemetry/log.ts";
import { Bodies } from "./bodies.ts";
import { BudgetGate } from "./budget-gate.ts";
import { Callers } from "./callers.ts";
import type { BrokerSettings } from "./config.ts";
import { Endpoint } from "./endpoint.ts";
import { Meter } from "./meter.ts";
import { BrokerMetrics } from "./metrics.ts";
import { Proxy } from "./proxy.ts";
import { RefusalLog } from "./refusal-log.ts";
import { servedCertificate } from "../process/served-certificate.ts";

/** One to look at what is spent, one to write the audit log. */
const CONNECTIONS = 2;

export interface Broker {
  port: number;
  metricsPort: number;
  metrics: BrokerMetrics;
  /** As an agent's. */
  overtaken: Promise<Error>;
  /** Lets calls under way end, and closes everything. @param drainSeconds the grace; the configured one unless told */
  stop(drainSeconds?: number): Promise<void>;
}

/** What a test may put in the place of the real thing. */
export interface BrokerParts {
  bodies?: Bodies;
  attempts?: FailedAttempts;
}

/** The database's address and credentials may come late, as a mounted Secret does. */
async function firstSettings(source: Watched<DatabaseSettings>, log: Logger): Promise<DatabaseSettings> {
  if (source.value) return source.value;
  log.warn({ err: source.problem }, "waiting for the database credentials");
  return new Promise((resolve) => source.onChange(resolve));
}

/** Answers probes and scrapes; anything else is not here. */
function probes(ready: () => boolean, metrics?: BrokerMetrics) {
  return async (req: IncomingMessage, res: ServerResponse): Promise<boolean> => {
    const send = (status: number, type: string, text: string) => {
      res.writeHead(status, { "content-type": type }).end(text);
      return true;
    };
    if (req.method !== "GET") return false;
    if (req.url === "/livez") return send(200, "text/plain", "ok");
    if (req.url === "/readyz") return send(ready() ? 200 : 503, "application/json", JSON.stringify({ ready: ready() }));
    if (req.url === "/metrics" && metrics)
      return send(200, metrics.registry.contentType, await metrics.registry.metrics());
    return false;
  };
}

/** Starts a tenant's key broker: probes and metrics at once, calls when it can check their tokens. */
export async function startBroker(
  { config, env }: BrokerSettings,
  log: Logger,
  { bodies = new Bodies(), attempts }: BrokerParts = {},
): Promise<Broker> {
  const apiKey = bearerToken(env.AGENTPG_ANTHROPIC_DIR, "api-key");
  apiKey.onChange((key) => log.info({ fingerprint: fingerprint(key) }, "an API key is in use"));
  await apiKey.start();
  const keys = new PublishedKeys(env.AGENTPG_ACCESS_DIR);
  let open = false;
  const ready = () => open;
  let budget: BudgetGate | undefined;
  const metrics = new BrokerMetrics({
    ready,
    keyPresent: () => apiKey.value !== undefined,
    budgetRatio: () => budget?.ratio() ?? 0,
  });
  const observed = probes(ready, metrics);
  const observe = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    if (!(await observed(req, res))) res.writeHead(404).end();
  };
  const metricsServer = await listen((req, res) => void observe(req, res), env.AGENTPG_METRICS_PORT, env.AGENTPG_HOST);
  let proxy: Proxy | undefined;
  const probed = probes(ready);
  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    if (await probed(req, res)) return;
    if (proxy) await proxy.serve(req, res);
    else res.writeHead(503, { "retry-after": "1" }).end();
  };
  const certificate = env.AGENTPG_BROKER_TLS_DIR ? servedCertificate(env.AGENTPG_BROKER_TLS_DIR) : undefined;
  await certificate?.start();
  const api = await listen((req, res) => void serve(req, res), env.AGENTPG_PORT, env.AGENTPG_HOST, 0, certificate);

  const source = await databaseSource(env).start();
  const settings = await firstSettings(source, log);
  const overtaken = schemaReplaced(source, settings);
  const limits = {
    min: 1,
    max: CONNECTIONS,
    idleMs: env.AGENTPG_POOL_IDLE_SECONDS * 1000,
    lifetimeSeconds: env.AGENTPG_POOL_LIFETIME_SECONDS,
  };
  const onError = (error: Error) => log.debug({ err: error }, "an idle database connection broke");
  const db = new AgentDatabase(settings.schema, settings.connection, "agentpg-broker", limits, onError);
  // It also moves to new credentials, and uses the login often enough for a rotation to wait for it.
  const health = new DatabaseHealth([db], source, settings, log, () => {});
  await health.check();
  health.start();
  await keys.start();
  const meter = new Meter();
  budget = new BudgetGate(db, config, meter);
  const endpoint = new Endpoint(config.anthropicBaseUrl);
  const refusals = new RefusalLog(db, config, log);
  proxy = new Proxy({
    config,
    apiKey,
    callers: new Callers(config, keys, attempts),
    bodies,
    budget,
    endpoint,
    meter,
    metrics,
    refusals,
    log,
  });
  open = true;
  log.info({ port: api.port, metricsPort: metricsServer.port, tenant: config.tenant.name }, "the key broker is up");

  return {
    port: api.port,
    metricsPort: metricsServer.port,
    metrics,
    overtaken,
    async stop(drainSeconds = env.AGENTPG_DRAIN_SECONDS) {
      // Agents learn only with a delay that they are to go elsewhere: until then all are served.
      open = false;
      api.leave();
      if (env.AGENTPG_LEAVE_SECONDS > 0) await sleep(env.AGENTPG_LEAVE_SECONDS * 1000);
      await api.close(drainSeconds * 1000);
      await refusals.close();
      health.stop();
      source.stop();
      keys.stop();
      apiKey.stop();
      certificate?.stop();
      await db.close();
      await endpoint.close();
      await metricsServer.close(1000);
    },
  };
}
