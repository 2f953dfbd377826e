import { hostname } from "node:os";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Registry } from "prom-client";
import { tenantNamespace } from "../api/tenant.ts";
import { KubernetesClient } from "../kubernetes/client.ts";
import { Controller } from "../kubernetes/controller.ts";
import { EventRecorder } from "../kubernetes/events.ts";
import { loadKubeConfig } from "../kubernetes/kube-config.ts";
import { LeaderElection } from "../kubernetes/leader-election.ts";
import { NAMESPACE } from "../kubernetes/resource-kind.ts";
import { collectGarbage } from "../process/garbage.ts";
import { keepMemoryOutOfCoreDumps } from "../process/core-dumps.ts";
import { createLogger, type Logger } from "../telemetry/log.ts";
import type { AdminOperation } from "./admin/operation.ts";
import { dataOperations } from "./admin/data-operations.ts";
import { currentLeader } from "./admin/leader.ts";
import { serveAdmin } from "./admin/server.ts";
import { AgentReconciler } from "./agent/reconcile.ts";
import { type ApiKeyWatchOptions, watchApiKeys } from "./api-key-watch.ts";
import { Caches } from "./caches.ts";
import { loadOperatorConfig, type OperatorConfig } from "./config.ts";
import { DatabaseServers } from "./databases/servers.ts";
import { collectAfterBacklogs } from "./backlog-garbage.ts";
import { keepHeapSmall } from "./frugal-heap.ts";
import { createOperatorMetrics } from "./metrics.ts";
import { MigrationCoordinator } from "./migrations/coordinator.ts";
import { knownTenants } from "./migrations/known-tenants.ts";
import { migrationOperations } from "./migrations/operations.ts";
import { NetworkProbeLoop } from "./network/probe/probe-loop.ts";
import { probeNetwork } from "./network/probe/run-probe.ts";
import { retentionSchedule } from "./retention/due.ts";
import { RetentionLoop } from "./retention/retention-loop.ts";
import { ChecksLoop } from "./security-checks/checks-loop.ts";
import { wireTriggers } from "./triggers.ts";
import { MountedKeys } from "./encryption/mounted-keys.ts";
import { encryptionProblem } from "./encryption/problem.ts";
import { RewrapLoop } from "./encryption/rewrap-loop.ts";
import { claimantOf } from "./scope.ts";
import { leaderLease } from "./shared-names.ts";
import { startSpans } from "./tracing/start.ts";
import { serveOperations } from "./operations-server.ts";
import { podProblemSource } from "./agent/pod-problem.ts";
import { closeOrphanedClaims, sweepOrphanedClaims } from "./tenant/orphaned-claims.ts";
import { TenantReconciler } from "./tenant/reconcile.ts";
import { tokenIssuerSource } from "./token-issuer.ts";

export interface OperatorOptions {
  config: OperatorConfig;
  /** A kubeconfig; left out: the pod's service account, or the user's own. */
  kubeconfig?: string;
  logger: Logger;
  migrationsDir: string;
}

export interface RunningOperator {
  /** Whether this process leads. */
  leading(): boolean;
  client: KubernetesClient;
  metrics: Registry;
  /** The port of the admin operations, on 127.0.0.1. */
  adminPort: number;
  /** The port of the web console; undefined: it is closed. */
  consolePort: number | undefined;
  /** Settles when the operator has ended: `lost` when the lease went to another. */
  ended: Promise<"lost" | "stopped">;
  /** Drains: what is under way is finished, the lease is given up. */
  stop(): Promise<void>;
}

/** How long the last spans may take on their way. */
const TRACING_GRACE_MS = 1_000;

const reconciled = (kind: string, key: string) => ({ name: `reconcile ${kind}`, attributes: { "agentpg.key": key } });

/** Starts an operator in this process. It serves health and metrics at once and reconciles when it leads. */
export async function startOperator({
  config,
  kubeconfig,
  logger,
  migrationsDir,
}: OperatorOptions): Promise<RunningOperator> {
  const identity = `${hostname()}-${randomBytes(4).toString("hex")}`;
  const kube = loadKubeConfig(kubeconfig);
  const client = new KubernetesClient(kube);
  const registry = new Registry();
  const caches = new Caches(client, logger, config.watchStallSeconds * 1000, config.tenantSelector);
  const lease = leaderLease(config.instance);
  const measured = createOperatorMetrics(registry, {
    tenants: () => caches.tenants.list(),
    agents: () => caches.agents.list(),
    watches: () => caches.all(),
    networkProbe: () => networkProbe,
    databases: () =>
      databases.all().map(({ name, isUp }) => ({
        name,
        isUp,
        tenants: databases.tenantsOn(name, caches.tenants.list()).length,
      })),
  });
  const metrics = measured.controllers;
  client.observe = (request) => metrics.requested(request);
  const spans = await startSpans(config, identity, logger);
  client.around = ({ method, flow }, send) =>
    spans.part({ name: flow, kind: "client", attributes: { "http.request.method": method } }, send);
  const events = new EventRecorder({ client, component: "agentpg-operator", logger });
  const claimant = async () => claimantOf((await client.get(NAMESPACE, "kube-system")).metadata.uid ?? "", config);
  const databases = new DatabaseServers(config, {
    identity,
    claimant,
    tenantSelector: config.tenantSelector,
    migrationsDir,
    logger,
    spans,
  });
  const tokenIssuer = tokenIssuerSource(client);
  const keyProvider = config.encryption.keysDir === undefined ? undefined : new MountedKeys(config.encryption.keysDir);
  const shared = { client, caches, config, events, tokenIssuer };
  const rollouts = databases.all().map((database) => ({
    database,
    coordinator: new MigrationCoordinator({
      limits: config.migrations,
      tenants: () => knownTenants(databases.tenantsOn(database.name, caches.tenants.list())),
      wake: (name) => tenantController.queue.add(name, "low"),
      logger,
      metrics: measured.migrations.of(database.name),
    }),
  }));
  const migrations = new Map(rollouts.map(({ database, coordinator }) => [database.name, coordinator]));
  const retention = new RetentionLoop({
    databases,
    tenants: () => caches.tenants.list(),
    schedule: retentionSchedule(config.retention),
    events,
    metrics: measured.retention,
    logger,
    onRun: (name) => tenantController.queue.add(name, "low"),
  });
  const { intervalSeconds, firstAfterSeconds, loginSeconds, documents } = config.securityChecks;
  let lastScrape: number | undefined;
  const securityChecks = new ChecksLoop({
    ...shared,
    databases,
    schedule: { intervalMs: intervalSeconds * 1000, firstAfterMs: firstAfterSeconds * 1000 },
    loginMs: loginSeconds * 1000,
    documents,
    retention,
    retentionIntervalMs: config.retention.intervalSeconds * 1000,
    lastScrape: () => lastScrape,
    logger,
    busy: () => tenantController.queue.depth + agentController.queue.depth > 0,
    onChange: (name) => tenantController.queue.add(name, "low"),
  });
  const networkProbe = new NetworkProbeLoop({
    config: config.networkProbe,
    probe: (signal) => probeNetwork(client, config, signal),
    onChange: () => caches.tenants.list().forEach((it) => tenantController.queue.add(it.metadata.name, "low")),
    logger,
  });
  const tenants = new TenantReconciler({
    ...shared,
    databases,
    claimant,
    retention,
    networkProbe,
    securityChecks,
    migrations,
    keyProvider,
    spans,
  });
  const agents = new AgentReconciler({
    ...shared,
    podProblem: podProblemSource(databases),
    encryptionProblem: () => encryptionProblem(keyProvider),
  });

  const apiKeys: ApiKeyWatchOptions = {
    client,
    tenants: () => caches.tenants.list(),
    everyMs: config.apiKeys.everySeconds * 1000,
    perSecond: config.apiKeys.perSecond,
    onChange: (name) => tenantController.queue.add(name),
    logger,
  };

  const rewrapping =
    keyProvider &&
    new RewrapLoop({
      databases: databases.all(),
      provider: keyProvider,
      metrics: measured.encryption,
      logger,
      everyMs: Math.min(60, config.resyncSeconds) * 1000,
    });

  const stopping = new AbortController();
  const { signal } = stopping;
  const fatal = new AbortController();
  const guard = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      if ((error as { reason?: string }).reason === "StaleEpoch" && !fatal.signal.aborted) {
        logger.error({ err: error }, "this process may not lead any more");
        fatal.abort(); // end at once
      }
      throw error;
    });
  const tenantController = new Controller({
    name: "tenant",
    reconcile: (key) => guard(spans.within(reconciled("tenant", key), () => tenants.reconcile(key))),
    concurrency: config.concurrency,
    logger,
    metrics,
  });
  const agentController = new Controller({
    name: "agent",
    reconcile: (key) => guard(spans.within(reconciled("agent", key), () => agents.reconcile(key))),
    concurrency: config.concurrency,
    logger,
    metrics,
  });
  wireTriggers(caches, { tenant: tenantController.queue, agent: agentController.queue, tenantNamespace });

  let leading = false;
  metrics.leader(lease, false);
  const server = await serveOperations({
    registry,
    healthPort: config.healthPort,
    metricsPort: config.metricsPort,
    ready: () => caches.all().every((it) => it.fresh()),
    onScrape: () => {
      lastScrape = Date.now();
    },
  });
  const operations: AdminOperation[] = [
    ...dataOperations(databases, caches, keyProvider),
    ...migrationOperations(rollouts),
  ];
  const admin = await serveAdmin({
    port: config.adminPort,
    operations: operations.map((it) => ({ ...it, run: (input, context) => guard(it.run(input, context)) })),
    otherLeader: async () => (leading ? undefined : currentLeader(client, config)),
    logger,
  });
  // Loaded only where it is open.
  const webConsole = config.console.enabled
    ? await (await import("./console/server.ts")).serveConsole({
        config: config.console,
        namespace: config.namespace,
        client,
        caches,
        databases,
        keyProvider,
        logger,
      })
    : undefined;
  const reflectors = caches.all().map((it) => it.run(signal));
  const election = new LeaderElection({
    client,
    namespace: config.namespace,
    name: lease,
    identity,
    logger,
    leaseSeconds: config.lease.durationSeconds,
    renewDeadlineSeconds: config.lease.renewDeadlineSeconds,
    retrySeconds: config.lease.retrySeconds,
  });

  const lead = async (): Promise<"lost" | "stopped"> => {
    try {
      await Promise.all(caches.all().map((it) => it.waitForSync(signal))); // nobody decides on half a picture
      if (config.leaderElection) await election.acquire(signal);
    } catch {
      return "stopped"; // asked to end while waiting
    }
    leading = true;
    if (config.leaderElection) client.beforeWrite = () => election.assertLeading();
    metrics.leader(lease, true);
    const work = new AbortController();
    const until = AbortSignal.any([signal, fatal.signal, work.signal]);
    const waiting = () => tenantController.queue.depth + agentController.queue.depth;
    const controllers = [
      collectAfterBacklogs(waiting, collectGarbage, until),
      tenantController.run(until),
      agentController.run(until),
      guard(retention.run(until)).catch((error: unknown) => logger.error({ err: error }, "retention ended")),
      watchApiKeys(apiKeys, until).catch((error: unknown) => logger.error({ err: error }, "watching API keys ended")),
      guard(networkProbe.run(until)).catch((error: unknown) => logger.error({ err: error }, "the network probe ended")),
      guard(securityChecks.run(until)).catch((error: unknown) =>
        logger.error({ err: error }, "the security checks ended"),
      ),
      ...(rewrapping
        ? [
            guard(rewrapping.run(until)).catch((error: unknown) =>
              logger.error({ err: error }, "wrapping data keys anew ended"),
            ),
          ]
        : []),
      ...databases.all().map((database) =>
        sweepOrphanedClaims(
          () => guard(closeOrphanedClaims({ client, database, events, logger, namespace: config.namespace })),
          config.resyncSeconds * 1000,
          until,
          (error) =>
            logger.warn({ err: error, server: database.name }, "the claims of deleted Tenants could not be looked at"),
        ),
      ),
    ];
    const drained = new AbortController();
    const held = config.leaderElection
      ? election.hold(AbortSignal.any([drained.signal, fatal.signal]))
      : new Promise<never>(() => {});
    const outcome = await Promise.race([
      held,
      new Promise<"stopped">((resolve) => signal.addEventListener("abort", () => resolve("stopped"), { once: true })),
      new Promise<"lost">((resolve) => fatal.signal.addEventListener("abort", () => resolve("lost"), { once: true })),
    ]);
    leading = false;
    metrics.leader(lease, false);
    work.abort();
    if (outcome === "stopped") {
      await Promise.all(controllers); // the lease is renewed meanwhile: what is under way may still write
      drained.abort();
      if (config.leaderElection && (await held) === "stopped") await election.release();
    }
    return fatal.signal.aborted ? "lost" : outcome;
  };
  const ended = lead().finally(async () => {
    stopping.abort();
    const callers = [admin, ...(webConsole ? [webConsole] : [])].map((it) => it.close());
    await Promise.allSettled([...reflectors, server.close(), Promise.all(callers).then(() => databases.close())]);
    await spans.stop(TRACING_GRACE_MS);
    await kube.close();
  });
  return {
    client,
    metrics: registry,
    adminPort: admin.port,
    consolePort: webConsole?.port,
    leading: () => leading,
    ended,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

/** `agentpg operator`: runs until SIGTERM or until the lease is lost. Returns the exit code. */
export async function runOperator(options: {
  config: string;
  kubeconfig?: string;
  logLevel?: string;
  migrationsDir?: string;
}): Promise<number> {
  keepHeapSmall();
  keepMemoryOutOfCoreDumps();
  const logger = createLogger("operator", options.logLevel ?? "info");
  const config = loadOperatorConfig(options.config);
  const migrationsDir =
    options.migrationsDir ?? config.migrationsDir ?? join(import.meta.dirname, "..", "..", "migrations");
  const operator = await startOperator({
    config,
    logger,
    migrationsDir,
    ...(options.kubeconfig ? { kubeconfig: options.kubeconfig } : {}),
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void operator.stop());
  const outcome = await operator.ended;
  if (outcome === "lost") logger.fatal("this process may not lead any more: it ends, and its successor goes on");
  return outcome === "lost" ? 1 : 0;
}
