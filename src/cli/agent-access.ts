import { API_PORT } from "../api/agent-config.ts";
import type { KubernetesClient } from "../kubernetes/client.ts";
import { isNotFound } from "../kubernetes/errors.ts";
import type { PooledKubeConfig } from "../kubernetes/kube-config.ts";
import type { KubernetesObject } from "../kubernetes/object.ts";
import { forwardPort, type ForwardedPort } from "../kubernetes/port-forward.ts";
import { POD, SERVICE_ACCOUNT, resourcePath } from "../kubernetes/resource-kind.ts";
import { AGENT } from "../operator/caches.ts";
import { AgentClient } from "../runtime/client.ts";
import { noSuch } from "./no-such.ts";

type Pod = KubernetesObject & { status?: { phase?: string; conditions?: { type: string; status: string }[] } };

/** The pods of an Agent that answer. */
export async function readyPods(client: KubernetesClient, namespace: string, agent: string): Promise<Pod[]> {
  const pods = await client.list<Pod>(POD, namespace, { labelSelector: `agentpg.dev/agent=${agent}` });
  return pods.filter(
    (it) =>
      !it.metadata.deletionTimestamp &&
      it.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
  );
}

/** A token of a service account, for the agents' audience; ten minutes. */
export async function requestToken(
  client: KubernetesClient,
  namespace: string,
  serviceAccount: string,
  audience = "agentpg",
): Promise<string> {
  const body = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { audiences: [audience], expirationSeconds: 600 },
  };
  const answer = await client.request<{ status: { token: string } }>(
    "POST",
    resourcePath(SERVICE_ACCOUNT, namespace, serviceAccount, "token"),
    { body },
  );
  return answer.status.token;
}

async function whyNoPod(client: KubernetesClient, namespace: string, name: string): Promise<Error> {
  const agent = await client
    .get<KubernetesObject & { spec?: { replicas?: number } }>(AGENT, name, namespace)
    .catch((error: unknown) => (isNotFound(error) ? "missing" : undefined));
  if (agent === "missing") return noSuch(client, AGENT, name, namespace);
  if (agent?.spec?.replicas === 0)
    return new Error(
      `Agent ${namespace}/${name} is scaled to zero: \`kubectl -n ${namespace} scale agent ${name} --replicas 1\` starts it`,
    );
  return new Error(
    `Agent ${namespace}/${name} has no ready pod: see \`kubectl -n ${namespace} describe agent ${name}\``,
  );
}

export interface OpenAgent {
  agent: AgentClient;
  pod: string;
  close(): Promise<void>;
}

/** When a pod goes, its successor may take a while. */
const PATIENCE = { attempts: 12, longestWait: 60 };
/** How often to look whether the pod is still there, in milliseconds. */
const LOOK_MS = 1000;

/** An agent's API through the API server, as a ready pod serves it, and another one when that goes. @throws Error when no pod is ready */
export async function openAgent(
  { client, config }: { client: KubernetesClient; config: PooledKubeConfig },
  namespace: string,
  name: string,
  token: () => Promise<string>,
): Promise<OpenAgent> {
  const [pod] = await readyPods(client, namespace, name);
  if (!pod) throw await whyNoPod(client, namespace, name);
  const all: ForwardedPort[] = []; // one that ends may still be telling the end of an answer: closed at the end
  const forward = async (to: string) => {
    const forwarded = await forwardPort(config, namespace, to, API_PORT);
    all.push(forwarded);
    return { pod: to, url: `http://127.0.0.1:${forwarded.port}`, seen: performance.now() };
  };
  let at = await forward(pod.metadata.name);
  const baseUrl = async () => {
    if (performance.now() - at.seen < LOOK_MS) return at.url;
    at.seen = performance.now();
    const ready = (await readyPods(client, namespace, name).catch(() => [])).map((it) => it.metadata.name);
    if (ready[0] && !ready.includes(at.pod)) at = await forward(ready[0]);
    return at.url;
  };
  return {
    agent: new AgentClient({ baseUrl, token, patience: PATIENCE }),
    pod: pod.metadata.name,
    close: async () => void (await Promise.all(all.map((it) => it.close()))),
  };
}
