// A cluster whose network plugin ignores NetworkPolicy, and the operator on it: the operator has to find out by packets, and say so.
//   npm run test:not-enforced
// The last line is one JSON object; exits with 1 when the operator takes the cluster for one that enforces. Takes a minute and a half, a cluster
// of its own, and is no part of CI: there the suite `node` sees the other side, a cluster that enforces (network-matrix.test.ts).
import { spawn } from "node:child_process";
import { KubernetesClient } from "../../../src/kubernetes/client.ts";
import { loadKubeConfig } from "../../../src/kubernetes/kube-config.ts";
import { clusterDown, ensureCluster } from "../../../src/local-cluster/index.ts";
import { TENANT } from "../../../src/operator/caches.ts";
import { terminalProgress } from "../../../src/telemetry/progress.ts";
import { eventually } from "../../support/eventually.ts";
import { conditionOf, type Conditioned } from "../../support/operator-harness.ts";
import { ROOT } from "../../support/root.ts";

const name = "agentpg-not-enforced";
const progress = terminalProgress();

/** @throws when the demo does not work here: that it ignores policies is no fault of it */
async function runDemo(): Promise<void> {
  const args = ["run", "--silent", "demo", "--", "--check", "--name", name, "--keep", "--data-plane", "any"];
  const child = spawn("npm", args, { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  if (code !== 0) throw new Error(`the demo ended with ${code}`);
}

try {
  await runDemo();
  const config = loadKubeConfig((await ensureCluster({ name, dataPlane: "any", progress })).kubeconfig);
  try {
    const client = new KubernetesClient(config);
    const tenant = await eventually(
      () => client.get<Conditioned>(TENANT, "acme"),
      (it) => conditionOf(it, "NetworkReady")?.reason !== "NotProbed",
      120,
    );
    const { status, reason, message } = conditionOf(tenant, "NetworkReady") ?? {};
    console.log(JSON.stringify({ NetworkReady: { status, reason, message } }));
    process.exitCode = status === "False" && reason === "NotEnforced" ? 0 : 1;
  } finally {
    await config.close();
  }
} finally {
  await clusterDown({ name, progress });
}
