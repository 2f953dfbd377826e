import { Registry } from "prom-client";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { DRAIN_LIMITS } from "../../src/database/rotation/drain.ts";
import {
  createTenantDatabase,
  type TenantDatabase,
  type TenantRecord,
  type TenantRequest,
} from "../../src/database/tenants.ts";
import { Controller } from "../../src/kubernetes/controller.ts";
import { ControllerMetrics } from "../../src/kubernetes/metrics.ts";
import { MigrationCoordinator } from "../../src/operator/migrations/coordinator.ts";
import { MigrationMetrics } from "../../src/operator/migrations/metrics.ts";
import { silentLogger } from "../../src/telemetry/log.ts";

const RESYNC_MS = 300_000;
/** As in the chart. */
const CONCURRENCY = 8;
/** A conflict is tried again by the queue, as in the operator; what fails this often is a fault. */
const MOST_FAILURES = 4;

interface Login {
  user: string;
  password: string;
}

/** The Tenants of the benchmark, and what the Secret of each would hold. */
export interface BenchTenants {
  requests: Map<string, TenantRequest>;
  secrets: Map<string, Login>;
}

/** The operator as far as Postgres is concerned: its queue, its workers, its migration rollout; without an API server. */
export interface BenchOperator {
  database: TenantDatabase;
  epoch: number;
  coordinator: MigrationCoordinator;
  /** Has these Tenants reconciled; settles when each was once. */
  reconcile(names: string[], onDone?: (name: string) => void): Promise<void>;
  stop(): Promise<void>;
}

export async function startBenchOperator(
  admin: ConnectionSettings,
  migrationsDir: string,
  { requests, secrets }: BenchTenants,
): Promise<BenchOperator> {
  const database = await createTenantDatabase({ admin, migrationsDir, clusterUid: "bench", logger: silentLogger });
  await database.bootstrap();
  const epoch = await database.acquireEpoch("bench");
  const registry = new Registry();
  const all = [...requests.values()].map(({ uid, name }, createdAt) => ({ uid, name, createdAt, canary: false }));
  const coordinator = new MigrationCoordinator({
    limits: { canaries: 1, concurrency: CONCURRENCY, failureBudget: "5%" },
    tenants: () => all,
    wake: (name) => controller.queue.add(name, "low"),
    logger: silentLogger,
    metrics: new MigrationMetrics(registry).of("default"),
  });
  let settled: (name: string, error?: unknown) => void = () => {};
  const controller = new Controller({
    name: "tenant",
    concurrency: CONCURRENCY,
    logger: silentLogger,
    metrics: new ControllerMetrics(registry),
    async reconcile(name) {
      try {
        const request = requests.get(name) as TenantRequest;
        const { ensured, refusal } = await coordinator.ensure(database, epoch, request);
        secrets.set(name, await publishedLogin(database, epoch, ensured.record, secrets.get(name)));
        settled(name);
        return { requeueAfterMs: Math.min(RESYNC_MS, refusal?.retryAfterMs ?? RESYNC_MS) };
      } catch (error) {
        settled(name, error);
        throw error;
      }
    },
  });
  const stopping = new AbortController();
  const running = controller.run(stopping.signal);
  return {
    database,
    epoch,
    coordinator,
    reconcile: (names, onDone = () => {}) =>
      new Promise((resolve, reject) => {
        const left = new Set(names);
        const failures = new Map<string, number>();
        settled = (name, error) => {
          if (error) {
            const count = (failures.get(name) ?? 0) + 1;
            failures.set(name, count);
            if (count === MOST_FAILURES)
              reject(new Error(`Tenant ${name} was not reconciled in ${count} tries`, { cause: error }));
            return;
          }
          if (left.delete(name)) onDone(name);
          if (left.size === 0) resolve();
        };
        for (const name of names) controller.queue.add(name, "low");
      }),
    async stop() {
      stopping.abort();
      await running;
      await database.close();
    },
  };
}

/** As the tenant controller goes on with a Secret: until nothing is left to publish. */
async function publishedLogin(
  database: TenantDatabase,
  epoch: number,
  record: TenantRecord,
  secret: Login | undefined,
): Promise<Login> {
  let tenant = record;
  let published = secret;
  for (;;) {
    const result = await database.ensureCredentials(
      {
        tenant,
        published,
        wish: { requested: undefined, maxAgeDays: 30 },
        limits: DRAIN_LIMITS,
        runningPods: () => Promise.resolve([]),
        agentPath: undefined,
      },
      epoch,
    );
    tenant = result.tenant;
    if (result.credentials) published = result.credentials;
    if (!result.again && published) return published;
  }
}
