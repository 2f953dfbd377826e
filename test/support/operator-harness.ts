import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { NAMESPACE, SECRET } from "../../src/kubernetes/resource-kind.ts";
import type { ResourceKind } from "../../src/kubernetes/resource-kind.ts";
import { type ControlPlane, startControlPlane } from "../../src/local-cluster/index.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { operatorConfig, type OperatorConfig } from "../../src/operator/config.ts";
import { startOperator, type RunningOperator } from "../../src/operator/main.ts";
import { createLogger } from "../../src/telemetry/log.ts";
import { silentProgress, terminalProgress } from "../../src/telemetry/progress.ts";
import { connect, installDefinitions } from "./custom-resources.ts";
import { eventually } from "./eventually.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";

export type Conditioned = KubernetesObject & {
  spec: { [key: string]: unknown };
  status?: { conditions?: { type: string; status: string; reason: string; message: string }[]; [key: string]: unknown };
};

export const conditionOf = (it: Conditioned | undefined, type: string) =>
  it?.status?.conditions?.find((one) => one.type === type);

/** A real API server with the controllers that Kubernetes brings, a real Postgres, and the operator in this process. */
export interface OperatorHarness {
  client: KubernetesClient;
  postgres: TestPostgres;
  admin: ConnectionSettings;
  /** What the operator logged, a line each. */
  log: string[];
  kubeconfig: string;
  plane: ControlPlane;
  /** The configuration that {@link startOperator} uses. */
  operatorConfig(more?: object): OperatorConfig;
  /** Starts the operator (again), after {@link stopOperator}; as the administrator, unless a kubeconfig says as whom. */
  startOperator(more?: object, kubeconfig?: string): Promise<RunningOperator>;
  stopOperator(): Promise<void>;
  /** Puts other credentials in the operator's mounted Secret. */
  setCredentials(more: { username?: string; password?: string; ca?: string }): Promise<void>;
  tenant(name: string): Promise<Conditioned>;
  agent(name: string, namespace: string): Promise<Conditioned>;
  /** Waits until a condition is so; the condition. */
  condition(
    kind: "Tenant" | "Agent",
    name: string,
    type: string,
    status: string,
    reason?: string,
    seconds?: number,
  ): Promise<{ reason: string; message: string }>;
  /** A namespace handed to a tenant, with its API key in it. */
  prepareTenantNamespace(namespace: string, tenant: string, apiKey?: string): Promise<void>;
  apply(kind: ResourceKind, object: object): Promise<void>;
  stop(): Promise<void>;
}

export async function startHarness(
  options: { controllerManager?: boolean; auditLog?: boolean } = {},
): Promise<OperatorHarness> {
  const plane = await startControlPlane({
    progress: process.env["CI"] ? terminalProgress() : silentProgress,
    controllerManager: options.controllerManager ?? true,
    auditLog: options.auditLog ?? false,
  });
  const postgres = await startPostgres();
  const admin = await postgres.createOperatorRole();
  const { client, close } = connect(plane.kubeconfig);
  await installDefinitions(client);
  await client.apply(NAMESPACE, { metadata: { name: "agentpg-system" } }, { fieldManager: "test" });
  const credentialsDir = await mkdtemp(join(tmpdir(), "agentpg-credentials-"));
  const log: string[] = [];
  let operator: RunningOperator | undefined;

  const setCredentials: OperatorHarness["setCredentials"] = async ({
    username = admin.user,
    password = admin.password,
    ca = postgres.ca,
  }) => {
    await writeFile(join(credentialsDir, "username"), username);
    await writeFile(join(credentialsDir, "password"), password);
    await writeFile(join(credentialsDir, "ca.crt"), ca);
  };
  await setCredentials({});

  const get = (kind: ResourceKind, name: string, namespace?: string) => client.get<Conditioned>(kind, name, namespace);
  const configured = (more: object = {}) =>
    operatorConfig.parse({
      namespace: "agentpg-system",
      image: "agentpg:test",
      database: { host: admin.host, port: admin.port, name: admin.database, credentialsDir },
      healthPort: 0,
      metricsPort: 0,
      adminPort: 0,
      retention: { firstAfterSeconds: 3600 },
      securityChecks: { firstAfterSeconds: 3600, intervalSeconds: 3600 },
      resyncSeconds: 5,
      ...more,
    });
  const harness: OperatorHarness = {
    client,
    postgres,
    admin,
    log,
    kubeconfig: plane.kubeconfig,
    plane,
    setCredentials,
    operatorConfig: configured,
    async startOperator(more = {}, kubeconfig = plane.kubeconfig) {
      const config = configured(more);
      const logger = createLogger("operator", "info", { write: (line) => void log.push(line) });
      operator = await startOperator({
        config,
        kubeconfig,
        logger,
        migrationsDir: config.migrationsDir ?? join(import.meta.dirname, "../../migrations"),
      });
      return operator;
    },
    async stopOperator() {
      await operator?.stop();
      operator = undefined;
    },
    tenant: (name) => get(TENANT, name),
    agent: (name, namespace) => get(AGENT, name, namespace),
    async condition(kind, name, type, status, reason, seconds = 30) {
      const [namespace, own] = name.includes("/") ? name.split("/") : [undefined, name];
      const object = await eventually(
        () => get(kind === "Tenant" ? TENANT : AGENT, own ?? "", namespace),
        (it) =>
          conditionOf(it, type)?.status === status &&
          (reason === undefined || conditionOf(it, type)?.reason === reason),
        seconds,
      ).catch((error: Error) =>
        Promise.reject(
          new Error(
            `${kind} ${name}: ${type} is not ${status} ${reason ?? ""}\n${error.message.slice(0, 200)}\nthe operator said:\n${log.slice(-8).join("")}`,
          ),
        ),
      );
      return conditionOf(object, type) as { reason: string; message: string };
    },
    async prepareTenantNamespace(namespace, tenant, apiKey = "sk-ant-test-planted") {
      await client.apply(
        NAMESPACE,
        { metadata: { name: namespace, labels: { "agentpg.dev/tenant": tenant } } },
        { fieldManager: "test" },
      );
      await client.apply(
        SECRET,
        { metadata: { name: "anthropic", namespace }, stringData: { "api-key": apiKey } },
        { fieldManager: "test" },
      );
    },
    async apply(kind, object) {
      await client.apply(kind, object as KubernetesObject, { fieldManager: "test" });
    },
    async stop() {
      await operator?.stop();
      await close();
      await plane.stop();
      await postgres.stop();
      await rm(credentialsDir, { recursive: true, force: true });
    },
  };
  return harness;
}
