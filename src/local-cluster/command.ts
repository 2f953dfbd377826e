import { parseArgs } from "node:util";
import type { Progress } from "../telemetry/progress.ts";
import { clusterDown, clusterStatus, ensureCluster } from "./ensure-cluster.ts";
import { LocalClusterError } from "./errors.ts";

const usage = `usage: cluster up [--name NAME] [--data-plane enforcing|any] [--kubeconfig PATH]
       cluster status [--name NAME]
       cluster down [--name NAME]
`;

const options = {
  name: { type: "string" },
  "data-plane": { type: "string" },
  kubeconfig: { type: "string" },
} as const;

/** Runs `cluster up|status|down`; gives the exit code. What is asked for goes to standard output. */
export async function runClusterCommand(argv: string[], progress: Progress): Promise<number> {
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  const name = values.name === undefined ? {} : { name: values.name };
  const dataPlane = values["data-plane"] ?? "enforcing";
  if (dataPlane !== "enforcing" && dataPlane !== "any") {
    throw new LocalClusterError(`--data-plane is enforcing or any, not ${dataPlane}`);
  }
  switch (positionals[0]) {
    case "up": {
      const cluster = await ensureCluster({ ...name, kubeconfig: values.kubeconfig, dataPlane, progress });
      process.stdout.write(`export KUBECONFIG=${cluster.kubeconfig}\n`);
      return 0;
    }
    case "down":
      await clusterDown({ ...name, progress });
      return 0;
    case "status": {
      const status = await clusterStatus(name);
      process.stdout.write(`${status.text}\n`);
      return status.state === "up" ? 0 : 1;
    }
    default:
      process.stderr.write(usage);
      return 2;
  }
}
