import { loadKubeConfig, type PooledKubeConfig } from "../kubernetes/kube-config.ts";

/** Which cluster a command is about. */
export interface ClusterOptions {
  kubeconfig?: string;
  /** A context of the kubeconfig; left out: the current one. */
  context?: string;
}

/** What client-node takes for a cluster when it finds no kubeconfig: nothing that anybody meant. */
const NOWHERE = "http://localhost:8080";

/** @throws Error that says what is missing, or names the contexts there are */
export function openConfig({ kubeconfig, context }: ClusterOptions): PooledKubeConfig {
  const config = load(kubeconfig);
  if (context === undefined) return config;
  if (!config.getContextObject(context)) {
    const known = config.getContexts().map((it) => it.name);
    throw new Error(`--context: the kubeconfig has no context ${context}; it has: ${known.join(", ") || "none"}`);
  }
  config.setCurrentContext(context);
  return config;
}

function load(path: string | undefined): PooledKubeConfig {
  let config: PooledKubeConfig;
  try {
    config = loadKubeConfig(path);
  } catch (error) {
    const which = path === undefined ? "the kubeconfig (KUBECONFIG, or ~/.kube/config)" : `--kubeconfig ${path}`;
    throw new Error(`${which} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (config.getCurrentCluster()?.server === NOWHERE)
    throw new Error("there is no kubeconfig: neither KUBECONFIG nor ~/.kube/config names one; pass --kubeconfig FILE");
  return config;
}
