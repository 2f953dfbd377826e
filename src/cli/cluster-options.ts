import type { Command } from "commander";

/** The options of every command that asks a cluster ({@link ClusterOptions} in open-config.ts). */
export const withClusterOptions = (command: Command): Command =>
  command
    .option("--kubeconfig <file>", "a kubeconfig; left out: KUBECONFIG, or ~/.kube/config")
    .option("--context <name>", "a context of the kubeconfig; left out: the current one");
