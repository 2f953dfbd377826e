import { KubernetesClient } from "../../kubernetes/client.ts";
import { NAMESPACE } from "../../kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../operator/caches.ts";
import { openConfig } from "../open-config.ts";
import type { NameSource } from "./candidates.ts";

const KINDS = { tenant: TENANT, agent: AGENT, namespace: NAMESPACE };
/** Somebody waits with a finger on the tab key. */
const PATIENCE_MS = 2000;

/** Names of the cluster that the words so far speak of. @throws Error when it does not answer in time */
export const clusterNames: NameSource = async (kind, { kubeconfig, context, namespace }) => {
  const config = openConfig({ ...(kubeconfig ? { kubeconfig } : {}), ...(context ? { context } : {}) });
  try {
    const { items } = await new KubernetesClient(config).listPage(
      KINDS[kind],
      { limit: 500 },
      kind === "agent" ? namespace : undefined,
      AbortSignal.timeout(PATIENCE_MS),
    );
    return [...new Set(items.map((it) => it.metadata.name))];
  } finally {
    await config.close();
  }
};
