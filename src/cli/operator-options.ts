import type { Command } from "commander";
import { ADMIN_PORT } from "../operator/shared-names.ts";

/** The options of every command that asks the operator ({@link OperatorAccess} in operator-access.ts). */
export const withOperatorOptions = (command: Command): Command =>
  command
    .option("--kubeconfig <file>", "a kubeconfig; left out: KUBECONFIG, or ~/.kube/config")
    .option("--context <name>", "a context of the kubeconfig; left out: the current one")
    .option("--operator-namespace <namespace>", "where the operator runs", "agentpg-system")
    .option("--operator-port <port>", "the operator's adminPort", Number, ADMIN_PORT);
