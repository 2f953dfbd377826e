import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { goTool } from "./go-tool.ts";

/** One end of a connection: a pod, or something outside the cluster. */
export interface Peer {
  ip: string;
  pod?: { namespace: string; labels: Record<string, string> };
}

export interface Connection {
  from: Peer;
  to: Peer;
  port: number;
  protocol?: "TCP" | "UDP";
}

const asPeer = ({ ip, pod }: Peer) => ({
  IP: ip,
  ...(pod && {
    Internal: {
      Namespace: pod.namespace,
      NamespaceLabels: { "kubernetes.io/metadata.name": pod.namespace },
      PodLabels: pod.labels,
    },
  }),
});

/**
 * Which of the connections NetworkPolicies allow, as Cyclonus reads them: a program that knows nothing of ours.
 * @throws when it cannot be had, or does not answer for each of the connections
 */
export async function allowed(policies: readonly object[], connections: readonly Connection[]): Promise<boolean[]> {
  const program = await goTool({
    name: "cyclonus",
    package: "github.com/mattfenwick/cyclonus/cmd/cyclonus",
    version: "v0.5.6",
  });
  const folder = await mkdtemp(join(tmpdir(), "agentpg-policies-"));
  try {
    const list = { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicyList", items: policies };
    const traffic = connections.map(({ from, to, port, protocol = "TCP" }) => ({
      Source: asPeer(from),
      Destination: asPeer(to),
      Protocol: protocol,
      ResolvedPort: port,
      ResolvedPortName: "",
    }));
    await writeFile(join(folder, "policies.yaml"), JSON.stringify(list));
    await writeFile(join(folder, "traffic.json"), JSON.stringify(traffic));
    const args = ["analyze", "--policy-path", join(folder, "policies.yaml"), "--mode", "query-traffic"];
    const { stdout } = await promisify(execFile)(program, [...args, "--traffic-path", join(folder, "traffic.json")], {
      maxBuffer: 64 << 20,
    });
    const answers = [...stdout.matchAll(/IS ALLOWED\?\s*\|\s*(TRUE|FALSE)/gi)].map(
      ([, it]) => it?.toUpperCase() === "TRUE",
    );
    if (answers.length !== connections.length)
      throw new Error(
        `cyclonus answered ${answers.length} of ${connections.length} questions:\n${stdout.slice(0, 2000)}`,
      );
    return answers;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
