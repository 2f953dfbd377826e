import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionSettings } from "../../../src/database/connection.ts";
import type { KubernetesClient } from "../../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../../src/kubernetes/object.ts";
import * as kinds from "../../../src/kubernetes/resource-kind.ts";
import { type ControlPlane, startControlPlane } from "../../../src/local-cluster/index.ts";
import { freePorts } from "../../../src/local-cluster/ports.ts";
import { AGENT, TENANT } from "../../../src/operator/caches.ts";
import { operatorConfig } from "../../../src/operator/config.ts";
import type { Progress } from "../../../src/telemetry/progress.ts";
import { SupervisedOperator } from "../../support/convergence/supervised-operator.ts";
import { connect, installDefinitions } from "../../support/custom-resources.ts";
import { bundledTestProgram } from "../../support/field/program.ts";
import { agentsAreCollected } from "../../support/garbage-collection.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { readyPods } from "../../support/ready-pods.ts";

const SYSTEM = "agentpg-system";
const root = join(import.meta.dirname, "..", "..", "..");

/** A cluster in which one operator after another works, each with a Postgres of its own. */
export interface Ground {
  client: KubernetesClient;
  /** @param prefix of the names of its tenants */
  scene(prefix: string): Promise<Scene>;
  stop(): Promise<void>;
}

/** One operator, which is started again when it ends, and what it works on. */
export interface Scene {
  prefix: string;
  client: KubernetesClient;
  operator: SupervisedOperator;
  postgres: TestPostgres;
  /** The operator's own. */
  admin: ConnectionSettings;
  /** Ends it, and takes away all that it made in the cluster; does not wait for namespaces to be gone. */
  close(): Promise<void>;
}

export async function prepareGround(progress: Progress): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-crash-"));
  const ends: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  };
  try {
    const programmed = bundledTestProgram(join(import.meta.dirname, "operator-program.ts"), folder);
    const plane = await startControlPlane({ progress, name: "crash", controllerManager: true });
    ends.push(() => plane.stop());
    const { client, close } = connect(plane.kubeconfig);
    ends.push(close);
    await installDefinitions(client);
    await progress.step("waiting for the garbage collector to know Agents", () => agentsAreCollected(client));
    await client.apply(kinds.NAMESPACE, { metadata: { name: SYSTEM } }, { fieldManager: "test" });
    const pods = new AbortController();
    const ready = readyPods(client, pods.signal);
    ends.push(async () => {
      pods.abort();
      await ready;
    });
    const program = await programmed;
    const scene = async (prefix: string) => {
      const made = await startScene({ prefix, client, plane, program, folder: join(folder, prefix) });
      ends.push(made.close);
      return made;
    };
    return { client, scene, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startScene(at: {
  prefix: string;
  client: KubernetesClient;
  plane: ControlPlane;
  program: string[];
  folder: string;
}): Promise<Scene> {
  const { prefix, client, folder } = at;
  const postgres = await startPostgres();
  const admin = await postgres.createOperatorRole();
  const [healthPort, metricsPort] = await freePorts(2);
  const [credentialsDir, keysDir] = [join(folder, "credentials"), join(folder, "keys")];
  const config = operatorConfig.parse({
    namespace: SYSTEM,
    image: "agentpg:test",
    database: { host: admin.host, port: admin.port, name: admin.database, credentialsDir },
    encryption: { keysDir, publishSeconds: 0 },
    // What these say depends on the moment at which they looked.
    retention: { firstAfterSeconds: 86_400 },
    securityChecks: { firstAfterSeconds: 86_400 },
    networkProbe: { firstAfterSeconds: 86_400 },
    lease: { durationSeconds: 4, renewDeadlineSeconds: 3, retrySeconds: 0.5 },
    healthPort,
    metricsPort,
    adminPort: 0,
  });
  const files = { username: admin.user, password: admin.password, "ca.crt": postgres.ca };
  await writeFiles(credentialsDir, files);
  await writeFiles(keysDir, { first: Buffer.alloc(32, 7).toString("base64"), current: "first" });
  const run = (file: string) => [...at.program, file, at.plane.kubeconfig, join(root, "migrations")];
  const operator = await SupervisedOperator.running(folder, config, run);
  operator.start();
  const close = async () => {
    await operator.kill();
    await clear(client, prefix);
    await postgres.stop();
  };
  return { prefix, client, operator, postgres, admin, close };
}

async function writeFiles(folder: string, files: Record<string, string>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
}

/** No operator runs any more: its finalizer goes by hand. */
async function clear(client: KubernetesClient, prefix: string): Promise<void> {
  const ours = ({ metadata }: KubernetesObject) => metadata.name.startsWith(prefix);
  for (const { metadata } of (await client.list<KubernetesObject>(TENANT)).filter(ours)) {
    await client.mergePatch(TENANT, metadata.name, undefined, { metadata: { finalizers: [] } });
    await client.delete(TENANT, metadata.name);
  }
  for (const { metadata } of await client.list<KubernetesObject>(AGENT))
    if (metadata.namespace?.startsWith(prefix)) await client.delete(AGENT, metadata.name, metadata.namespace);
  for (const { metadata } of (await client.list<KubernetesObject>(kinds.NAMESPACE)).filter(ours))
    await client.delete(kinds.NAMESPACE, metadata.name);
}
