import type { Command } from "commander";
import { ADMIN_PORT } from "../operator/shared-names.ts";
import { withClusterOptions } from "./cluster-options.ts";

/** The options of every command that asks the operator ({@link OperatorAccess} in operator-access.ts). */
export const withOperatorOptions = (command: Command): Command =>
  withClusterOptions(command)
    .option("--operator-namespace <namespace>", "where the operator runs", "agentpg-system")
    .option("--operator-instance <name>", "the operator's instance name, where several share the cluster")
    .option("--operator-port <port>", "the operator's adminPort", Number, ADMIN_PORT);
