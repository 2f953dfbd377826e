import { setTimeout as sleep } from "node:timers/promises";
import { KubernetesClient } from "../kubernetes/client.ts";
import { isNotFound } from "../kubernetes/errors.ts";
import type { PooledKubeConfig } from "../kubernetes/kube-config.ts";
import type { KubernetesObject } from "../kubernetes/object.ts";
import { forwardPort } from "../kubernetes/port-forward.ts";
import { LEASE } from "../kubernetes/resource-kind.ts";
import { ADMIN_PORT, leaderLease } from "../operator/shared-names.ts";
import { type ClusterOptions, openConfig } from "./open-config.ts";
import { callOperation, NotTheLeader, OperationFailed } from "./operator-client.ts";

/** How to reach the operator that leads. */
export interface OperatorAccess extends ClusterOptions {
  operatorNamespace: string;
  /** The name of one of several operators. */
  operatorInstance?: string;
  operatorPort?: number;
  signal?: AbortSignal;
}

/** How often another leader is looked for when the one found does not lead any more, 2 seconds apart. */
const ATTEMPTS = 8;

/**
 * Asks the leading operator, through a port-forward to its pod; the lines of its answer.
 * @throws Error that says what to do next
 */
export async function* callOperator(
  access: OperatorAccess,
  name: string,
  input: object,
): AsyncGenerator<Record<string, unknown>> {
  const config = openConfig(access);
  try {
    const client = new KubernetesClient(config);
    for (let attempt = 1; ; attempt++) {
      const pod = await leaderPod(client, access);
      try {
        return yield* callPod(config, access, pod, name, input);
      } catch (error) {
        if (!(error instanceof NotTheLeader) || attempt === ATTEMPTS) throw error;
      }
      await sleep(2000, undefined, access.signal ? { signal: access.signal } : {});
    }
  } finally {
    await config.close();
  }
}

/** The user that the API server sees behind this kubeconfig; undefined when it does not say. */
export async function kubernetesUser(access: OperatorAccess): Promise<string | undefined> {
  const config = openConfig(access);
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  try {
    const review = await new KubernetesClient(config).request<{ status?: { userInfo?: { username?: string } } }>(
      "POST",
      "/apis/authentication.k8s.io/v1/selfsubjectreviews",
      { body },
    );
    return review.status?.userInfo?.username;
  } catch {
    return undefined;
  } finally {
    await config.close();
  }
}

/** @throws Error that says where to look when nobody leads */
async function leaderPod(
  client: KubernetesClient,
  { operatorNamespace: namespace, operatorInstance }: OperatorAccess,
): Promise<string> {
  const name = leaderLease(operatorInstance);
  let lease: KubernetesObject & { spec?: { holderIdentity?: string } };
  try {
    lease = await client.get(LEASE, name, namespace);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new Error(
      `there is no operator in namespace ${namespace} (no Lease ${name}): name its namespace with --operator-namespace, and with --operator-instance which of several it is`,
      { cause: error },
    );
  }
  const pod = /^(.+)-[0-9a-f]{8}$/.exec(lease.spec?.holderIdentity ?? "")?.[1];
  if (pod) return pod;
  throw new Error(`no operator leads at the moment: look at \`kubectl -n ${namespace} get pods\` and try again`);
}

async function* callPod(
  config: PooledKubeConfig,
  { operatorNamespace: namespace, operatorPort = ADMIN_PORT, signal }: OperatorAccess,
  pod: string,
  name: string,
  input: object,
): AsyncGenerator<Record<string, unknown>> {
  const forwarded = await forwardPort(config, namespace, pod, operatorPort);
  let heard = false;
  try {
    for await (const line of callOperation(`http://127.0.0.1:${forwarded.port}`, name, input, signal)) {
      heard = true;
      yield line;
    }
  } catch (error) {
    if (heard || error instanceof NotTheLeader || error instanceof OperationFailed || signal?.aborted) throw error;
    throw new Error(
      `the operator's pod ${namespace}/${pod} cannot be reached on port ${operatorPort}: check that it runs, and that you may use \`kubectl auth can-i create pods/portforward -n ${namespace}\``,
      { cause: error },
    );
  } finally {
    await forwarded.close();
  }
}
