import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { childrenOf, identify, type ProcessIdentity } from "../process-identity.ts";
import { run, type RunOptions } from "../run.ts";
import { until } from "../wait.ts";
import type { Addresses } from "./addresses.ts";

/** What the node's programs find in their environment, whatever the caller's is. */
export const nodeEnvironment = {
  PATH: "/run/bin:/run/clang:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
};

/** Folders of the machine that the node sees under fixed short paths (a socket's path has 107 bytes at most). */
export interface NodeFolders {
  /** /run/cluster */
  cluster: string;
  /** /run/bin */
  tools: string;
  /** /run/clang, when the data plane needs it */
  clang?: string | undefined;
}

// /run and /var become the node's own, so that every default path of kubelet, containerd, Cilium and the CNI plugins
// is private to it and disappears with it. Mounts propagate among the node's containers and nowhere else.
const enter = `set -e
cluster=$1 tools=$2 clang=$3
mkdir -p "$cluster/node/run" "$cluster/node/var/lib" "$cluster/node/var/log" "$cluster/node/var/tmp"
ln -sfn /run "$cluster/node/var/run"
mount -n -t tmpfs -o mode=755 node "$cluster/node/run"
mkdir "$cluster/node/run/cluster" "$cluster/node/run/bin" "$cluster/node/run/clang"
mount -n --bind "$cluster" "$cluster/node/run/cluster"
mount -n --bind "$tools" "$cluster/node/run/bin"
[ -z "$clang" ] || mount -n --bind "$clang" "$cluster/node/run/clang"
mount -n --rbind "$cluster/node/run" /run
mount -n --bind "/run/cluster/node/var" /var
[ ! -d /sys/fs/bpf ] || mount -n -t bpf bpf /sys/fs/bpf
mount -n --make-rshared /
exec /run/bin/pause`;

/**
 * Starts the node: a process with its own network, mounts and process ids. When it ends, the kernel ends everything
 * in there and takes back all mounts and interfaces.
 */
export async function startNode(folders: NodeFolders): Promise<ProcessIdentity> {
  const log = openSync(join(folders.cluster, "log", "node.log"), "a");
  const namespaces = [
    "--mount",
    "--net",
    "--pid",
    "--fork",
    "--kill-child=SIGKILL",
    "--mount-proc",
    "--propagation=private",
  ];
  const script = ["sh", "-c", enter, "node", folders.cluster, folders.tools, folders.clang ?? ""];
  const outer = spawn("unshare", [...namespaces, ...script], {
    cwd: "/",
    env: nodeEnvironment,
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  outer.on("error", () => {});
  outer.unref();
  return until(
    "the node's namespaces",
    async () => {
      const [inner] = outer.pid === undefined ? [] : await childrenOf(outer.pid);
      if (inner === undefined) throw new Error(await readFile(join(folders.cluster, "log", "node.log"), "utf8"));
      const command = (await readFile(`/proc/${inner}/comm`, "utf8")).trim();
      return command === "pause" ? identify(inner) : undefined;
    },
    { seconds: 10, everyMs: 20 },
  );
}

/** The command line that runs a program in the node; `network: "host"` leaves it in the machine's network. */
export function inNode(
  node: ProcessIdentity,
  command: string[],
  network: "node" | "host" = "node",
): [string, string[]] {
  const namespaces = ["--mount", "--pid", ...(network === "node" ? ["--net"] : [])];
  return ["nsenter", [`--target=${node.pid}`, ...namespaces, "--", ...command]];
}

export async function runInNode(node: ProcessIdentity, command: string[], options: RunOptions = {}): Promise<string> {
  return run(...inNode(node, command), { env: nodeEnvironment, ...options });
}

/**
 * Wires the node to this machine. Its default route ends here: the machine doesn't forward what comes from this
 * interface, so nothing that a pod sends leaves it.
 */
export async function connectNode(node: ProcessIdentity, at: Addresses): Promise<void> {
  const host = `set -e
ip link add ${at.interface} type veth peer name eth0 netns ${node.pid}
echo 0 >/proc/sys/net/ipv4/conf/${at.interface}/forwarding
ip addr add ${at.host}/24 dev ${at.interface}
ip link set ${at.interface} up`;
  const inside = `set -e
ip link set lo up
ip addr add ${at.node}/24 dev eth0
ip link set eth0 up
ip route add default via ${at.host}
echo 1 >/proc/sys/net/ipv4/ip_forward`;
  await run("sh", ["-c", host]);
  await runInNode(node, ["sh", "-c", inside]);
  for (const cidr of [at.podCidr, at.serviceCidr]) await run("ip", ["route", "add", cidr, "via", at.node]);
}
