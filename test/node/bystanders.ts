import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { eventually } from "../support/eventually.ts";

export interface Pod {
  metadata: { name: string; namespace: string };
  spec: { containers: { image: string }[] };
  status?: { podIP?: string; phase?: string };
}

export const NODE = "/usr/local/bin/node";

/** A pod of the product's image as Pod Security `restricted` lets it in. */
export const restrictedPod = (namespace: string, name: string, image: string, args: string[]) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace },
  spec: {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
    containers: [
      {
        name: "it",
        image,
        args,
        imagePullPolicy: "IfNotPresent",
        resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "192Mi" } },
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
      },
    ],
  },
});

/** A pod called `bystander` that listens on port 7000, in a namespace that is made when there is none. */
export async function startBystander(client: KubernetesClient, namespace: string, image: string): Promise<Pod> {
  await client.apply(kinds.NAMESPACE, { metadata: { name: namespace } }, { fieldManager: "test" });
  const pod = restrictedPod(namespace, "bystander", image, ["network-probe", "listen", "7000"]);
  await client.create(kinds.POD, pod, namespace);
  return eventually(
    () => client.get<Pod>(kinds.POD, "bystander", namespace),
    ({ status }) => status?.phase === "Running" && status.podIP !== undefined,
    60,
  );
}

/** What a command in a pod says. */
export async function execIn(kubeconfig: string, { metadata }: Pod, ...command: string[]): Promise<string> {
  const { kubectl } = await ensureTools(["kubectl"], silentProgress);
  const args = ["--kubeconfig", kubeconfig, "-n", metadata.namespace, "exec", metadata.name, "--", ...command];
  return (await promisify(execFile)(kubectl, args, { timeout: 60_000 })).stdout.trim();
}

/** By the targets' names, whether the pod reached each `address:port`. */
export async function reached(
  kubeconfig: string,
  from: Pod,
  targets: Record<string, string>,
): Promise<Record<string, boolean>> {
  const dialled = Object.entries(targets).map(([name, target]) => `${name}=${target}`);
  const out = await execIn(kubeconfig, from, NODE, "/app/agentpg.mjs", "network-probe", "dial", ...dialled);
  const seen = JSON.parse(out.split("\n").at(-1) ?? "") as Record<string, string>;
  return Object.fromEntries(Object.keys(targets).map((name) => [name, seen[name] === "connected"]));
}

/** As {@link reached}, by one attempt each: for policies that have been there for a while. */
export async function reachedAtOnce(
  kubeconfig: string,
  from: Pod,
  targets: Record<string, string>,
): Promise<Record<string, boolean>> {
  const program = `Promise.all(Object.entries(${JSON.stringify(targets)}).map(([name, target]) => new Promise((done) => {
    const [host, port] = target.split(":");
    const socket = require("net").connect({ host, port, timeout: 2000 });
    const say = (yes) => { socket.destroy(); done([name, yes]); };
    socket.on("connect", () => say(true)).on("timeout", () => say(false)).on("error", () => say(false));
  }))).then((all) => console.log(JSON.stringify(Object.fromEntries(all))))`;
  return JSON.parse(await execIn(kubeconfig, from, NODE, "-e", program)) as Record<string, boolean>;
}
