import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Access } from "./kubeconfig.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { type Authority, createAuthority, createTokenKeys, writeCredentials } from "./pki.ts";

/** Where a control plane listens and what it hands out. */
export interface ControlPlaneConfig {
  /** Holds keys, data and logs; made by the caller. */
  folder: string;
  /** The API server listens on this address only. */
  address: string;
  port: number;
  /** etcd listens on loopback only: it knows no users. */
  etcdPort: number;
  etcdPeerPort: number;
  serviceCidr: string;
  /** The first address of `serviceCidr`: the API server's own Service. */
  serviceAddress: string;
  clusterCidr?: string;
  audit?: boolean;
  /** More arguments for the API server; an argument given twice counts the last time. */
  apiServerArguments?: string[];
}

/** Level Metadata for everything but what only says that a part of Kubernetes itself is alive. */
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, resources: [{group: coordination.k8s.io, resources: [leases]}], namespaces: [kube-system, kube-node-lease]}
- {level: Metadata}
`;

export const auditLogPath = (folder: string): string => join(folder, "audit.log");
export const serverUrl = (config: ControlPlaneConfig): string => `https://${config.address}:${config.port}`;

/** Writes all keys and kubeconfigs of a control plane; gives the administrator's access and the authority for more. */
export async function writeControlPlaneFiles(
  config: ControlPlaneConfig,
): Promise<{ admin: Access; authority: Authority }> {
  const pki = join(config.folder, "pki");
  const [authority, tokenKeys] = await Promise.all([createAuthority("agentpg-local-cluster"), createTokenKeys()]);
  await writeCredentials(pki, "ca", authority);
  await writeFile(join(pki, "sa.key"), tokenKeys.privateKey, { mode: 0o600 });
  await writeFile(join(pki, "sa.pub"), tokenKeys.publicKey);
  await writeFile(join(config.folder, "audit-policy.yaml"), auditPolicy);
  const server = await authority.issue({
    user: "kube-apiserver",
    dns: [
      "localhost",
      "kubernetes",
      "kubernetes.default",
      "kubernetes.default.svc",
      "kubernetes.default.svc.cluster.local",
    ],
    addresses: [...new Set(["127.0.0.1", config.address, config.serviceAddress])],
  });
  await writeCredentials(pki, "apiserver", server);
  const kubeletClient = await authority.issue({ user: "apiserver-kubelet", group: "system:masters" });
  await writeCredentials(pki, "kubelet-client", kubeletClient);
  const access = async (user: string, group?: string): Promise<Access> => ({
    server: serverUrl(config),
    authority: authority.certificate,
    user: await authority.issue({ user, ...(group ? { group } : {}) }),
  });
  const admin = await access("admin", "system:masters");
  await writeKubeconfig(join(config.folder, "kubeconfig"), "agentpg", admin);
  for (const name of ["kube-controller-manager", "kube-scheduler", "kube-proxy"]) {
    await writeKubeconfig(join(config.folder, `${name}.kubeconfig`), name, await access(`system:${name}`));
  }
  return { admin, authority };
}
