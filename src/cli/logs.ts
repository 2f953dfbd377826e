import { KubernetesClient } from "../kubernetes/client.ts";
import { isNotFound } from "../kubernetes/errors.ts";
import { POD, resourcePath } from "../kubernetes/resource-kind.ts";
import { AGENT } from "../operator/caches.ts";
import { AGENT_LABEL } from "../operator/labels.ts";
import { scrubText } from "../telemetry/scrub.ts";
import { noSuch } from "./no-such.ts";
import { type ClusterOptions, openConfig } from "./open-config.ts";

export interface LogsOptions extends ClusterOptions {
  namespace: string;
  /** Go on with what comes. */
  follow?: boolean;
  /** Of the container's earlier life. */
  previous?: boolean;
  /** Only the last seconds. */
  since?: number;
  /** Lines of each pod. */
  tail?: number;
}

/** Where the operator's pods are found. */
const OPERATOR_PODS = "app.kubernetes.io/name=agentpg-operator";

/**
 * `agentpg logs [AGENT]`: what an Agent's pods say, or without one the operator's; each line behind its pod's name.
 * @throws Error that names what there is, when there is no such Agent or it has no pod
 */
export async function showLogs(agentName: string | undefined, options: LogsOptions): Promise<void> {
  const config = openConfig(options);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once("SIGINT", interrupt);
  try {
    const client = new KubernetesClient(config);
    const pods = await podsOf(client, agentName, options.namespace);
    const width = Math.max(...pods.map((it) => it.length));
    await Promise.all(pods.map((pod) => showPod(client, pod, width, options, stop.signal)));
  } finally {
    process.off("SIGINT", interrupt);
    await config.close();
  }
}

async function podsOf(client: KubernetesClient, agentName: string | undefined, namespace: string): Promise<string[]> {
  if (agentName !== undefined)
    await client.get(AGENT, agentName, namespace).catch(async (error: unknown) => {
      throw isNotFound(error) ? await noSuch(client, AGENT, agentName, namespace, error) : error;
    });
  const labelSelector = agentName === undefined ? OPERATOR_PODS : `${AGENT_LABEL}=${agentName}`;
  const pods = await client.list(POD, namespace, { labelSelector });
  if (pods.length > 0) return pods.map((it) => it.metadata.name);
  throw new Error(
    agentName === undefined
      ? `no pod of the operator in namespace ${namespace}: name its namespace with -n`
      : `Agent ${namespace}/${agentName} has no pod: \`kubectl -n ${namespace} describe agent ${agentName}\` says why`,
  );
}

async function showPod(
  client: KubernetesClient,
  pod: string,
  width: number,
  { namespace, follow, previous, since, tail }: LogsOptions,
  signal: AbortSignal,
): Promise<void> {
  const query = { follow, previous, sinceSeconds: since, tailLines: tail };
  try {
    for await (const line of client.lines(resourcePath(POD, namespace, pod, "log"), query, signal))
      process.stdout.write(`${pod.padEnd(width)} │ ${scrubText(line)}\n`);
  } catch (error) {
    if (signal.aborted) return;
    process.stderr.write(`${pod}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}
