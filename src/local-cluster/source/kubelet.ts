import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { type Access, writeKubeconfig } from "../kubeconfig.ts";
import { type Authority, writeCredentials } from "../pki.ts";
import type { Addresses } from "./addresses.ts";
import { cgroupRoot } from "./cgroups.ts";

export const nodeName = "node1";

/** The kubelet's configuration; paths are those that the node sees. */
function kubeletConfiguration(cluster: string, at: Addresses): object {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: at.node,
    authentication: { x509: { clientCAFile: "/run/cluster/pki/ca.crt" }, webhook: { enabled: true } },
    authorization: { mode: "Webhook" },
    tlsCertFile: "/run/cluster/pki/node.crt",
    tlsPrivateKeyFile: "/run/cluster/pki/node.key",
    cgroupDriver: "cgroupfs",
    cgroupRoot: cgroupRoot(cluster),
    failCgroupV1: false, // machines with version 1 are still about
    failSwapOn: false,
    clusterDNS: [at.dns],
    clusterDomain: "cluster.local",
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    resolvConf: "", // the machine's name servers can't be reached from the node
    maxPods: 200,
    // The machine is shared with other work: a disk that others fill is no reason to evict, and images can't be pulled again.
    imageGCHighThresholdPercent: 100,
    evictionHard: { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    nodeStatusUpdateFrequency: "4s",
    volumePluginDir: "/var/lib/kubelet/plugins",
  };
}

/** Writes what kubelet and kube-proxy need to know and to prove who they are. */
export async function writeNodeFiles(
  folder: string,
  cluster: string,
  at: Addresses,
  authority: Authority,
  api: Access,
): Promise<void> {
  const identity = { user: `system:node:${nodeName}`, group: "system:nodes", dns: [nodeName], addresses: [at.node] };
  const user = await authority.issue(identity);
  await writeCredentials(join(folder, "pki"), "node", user);
  await writeKubeconfig(join(folder, "kubelet.kubeconfig"), nodeName, { ...api, user });
  await writeFile(join(folder, "kubelet.yaml"), stringify(kubeletConfiguration(cluster, at)));
}

export const kubeletArguments = (at: Addresses): string[] => [
  "--config=/run/cluster/kubelet.yaml",
  "--kubeconfig=/run/cluster/kubelet.kubeconfig",
  `--hostname-override=${nodeName}`,
  `--node-ip=${at.node}`,
];

export const kubeProxyArguments = (at: Addresses): string[] => [
  "--kubeconfig=/run/cluster/kube-proxy.kubeconfig",
  "--proxy-mode=iptables",
  `--hostname-override=${nodeName}`,
  `--cluster-cidr=${at.clusterCidr}`,
  "--conntrack-max-per-core=0", // the limit is the whole machine's
];
