import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import * as kinds from "../../../src/kubernetes/resource-kind.ts";
import type { ResourceKind } from "../../../src/kubernetes/resource-kind.ts";
import { readKubeconfig } from "../../../src/local-cluster/kubeconfig.ts";
import { freePorts } from "../../../src/local-cluster/ports.ts";
import { type OperatorHarness, startHarness } from "../operator-harness.ts";
import { type ApiPath, apiPath } from "./api-path.ts";
import { AuditLog } from "./audit-log.ts";
import { SupervisedOperator } from "./supervised-operator.ts";

const SYSTEM = "agentpg-system";

/** Seconds. Short, so that a fault is over before a test's patience is; the defaults are 15, 10, 2 and 120. */
export const TIMES = {
  lease: { durationSeconds: 4, renewDeadlineSeconds: 3, retrySeconds: 0.5 },
  watchStallSeconds: 4,
};

/** One of the two operators, with a way to the API server and an account of its own. */
export interface Member {
  name: string;
  path: ApiPath;
  process: SupervisedOperator;
  /** Puts a token where the operator reads it, as the kubelet does: whole, in one moment. */
  setToken(token: string): Promise<void>;
  freshToken(): Promise<string>;
}

/** An API server that can be hurt, two operators that want to lead, and a log of all that they asked for. */
export interface ConvergenceWorld {
  harness: OperatorHarness;
  audit: AuditLog;
  members: [Member, Member];
  /** The one that leads now, and the other. */
  roles(): Promise<{ leader: Member; follower: Member }>;
  leaseTransitions(): Promise<number>;
  stop(): Promise<void>;
}

const CLUSTER_ROLE_BINDING: ResourceKind = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  plural: "clusterrolebindings",
  namespaced: false,
};

async function createAccount(harness: OperatorHarness, name: string): Promise<void> {
  await harness.apply(kinds.SERVICE_ACCOUNT, { metadata: { name, namespace: SYSTEM } });
  await harness.apply(CLUSTER_ROLE_BINDING, {
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", name, namespace: SYSTEM }],
  });
}

async function requestToken(harness: OperatorHarness, name: string): Promise<string> {
  const body = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 3600 },
  };
  const path = `/api/v1/namespaces/${SYSTEM}/serviceaccounts/${name}/token`;
  return (await harness.client.request<{ status: { token: string } }>("POST", path, { body })).status.token;
}

async function writeKubeconfigOf(harness: OperatorHarness, port: number, folder: string): Promise<string> {
  const { authority } = await readKubeconfig(harness.kubeconfig);
  const file = join(folder, "kubeconfig");
  const cluster = {
    server: `https://127.0.0.1:${port}`,
    "certificate-authority-data": Buffer.from(authority).toString("base64"),
  };
  const user = { "auth-provider": { name: "tokenFile", config: { tokenFile: join(folder, "token") } } };
  await writeFile(
    file,
    stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "x",
      contexts: [{ name: "x", context: { cluster: "x", user: "x" } }],
      clusters: [{ name: "x", cluster }],
      users: [{ name: "x", user }],
    }),
  );
  return file;
}

async function createMember(harness: OperatorHarness, name: string, parent: string, more: object): Promise<Member> {
  const folder = join(parent, name);
  await mkdir(folder);
  await createAccount(harness, name);
  const path = await apiPath(Number(new URL(harness.plane.serverUrl).port));
  const [healthPort, metricsPort] = await freePorts(2);
  const config = harness.operatorConfig({ ...TIMES, healthPort, metricsPort, resyncSeconds: 300, ...more });
  const process = await SupervisedOperator.in(folder, config, await writeKubeconfigOf(harness, path.port, folder));
  const setToken = async (token: string) => {
    await writeFile(join(folder, "next"), token);
    await rename(join(folder, "next"), join(folder, "token"));
  };
  const freshToken = () => requestToken(harness, name);
  await setToken(await freshToken());
  return { name, path, process, setToken, freshToken };
}

/** @param more of the operators' configuration */
export async function startConvergenceWorld(more: object = {}): Promise<ConvergenceWorld> {
  const harness = await startHarness({ auditLog: true });
  const folder = await mkdtemp(join(tmpdir(), "agentpg-convergence-"));
  const members = (await Promise.all(["op-a", "op-b"].map((name) => createMember(harness, name, folder, more)))) as [
    Member,
    Member,
  ];
  for (const { process } of members) process.start();
  const leads = async ({ process }: Member) =>
    (await process.metric('leader_election_master_status{name="agentpg-operator"}').catch(() => undefined)) === 1;
  return {
    harness,
    audit: new AuditLog(harness.plane.auditLog ?? ""),
    members,
    async roles() {
      const [first, second] = members;
      const [a, b] = [await leads(first), await leads(second)];
      if (a === b) throw new Error(a ? "both lead" : "nobody leads");
      return a ? { leader: first, follower: second } : { leader: second, follower: first };
    },
    async leaseTransitions() {
      const lease = await harness.client.get<{ spec: { leaseTransitions: number } }>(
        kinds.LEASE,
        "agentpg-operator",
        SYSTEM,
      );
      return lease.spec.leaseTransitions;
    },
    async stop() {
      for (const { process, path } of members) {
        await process.kill();
        await path.close();
      }
      await harness.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
