import { join } from "node:path";
import { auditLogPath, type ControlPlaneConfig } from "./control-plane-config.ts";

/** etcd keeps nothing safe here (`--unsafe-no-fsync`): the data is for tests, and disks of test machines are slow. */
export function etcdArguments(config: ControlPlaneConfig): string[] {
  const [client, peer] = [config.etcdPort, config.etcdPeerPort].map((port) => `http://127.0.0.1:${port}`);
  return [
    `--data-dir=${join(config.folder, "etcd")}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    "--unsafe-no-fsync",
    "--quota-backend-bytes=4294967296",
  ];
}

export function apiServerArguments(config: ControlPlaneConfig): string[] {
  const pki = (name: string) => join(config.folder, "pki", name);
  const audit = [
    `--audit-policy-file=${join(config.folder, "audit-policy.yaml")}`,
    `--audit-log-path=${auditLogPath(config.folder)}`,
    "--audit-log-mode=blocking-strict",
  ];
  return [
    `--etcd-servers=http://127.0.0.1:${config.etcdPort}`,
    `--bind-address=${config.address}`,
    `--secure-port=${config.port}`,
    `--tls-cert-file=${pki("apiserver.crt")}`,
    `--tls-private-key-file=${pki("apiserver.key")}`,
    `--cert-dir=${join(config.folder, "pki")}`,
    `--client-ca-file=${pki("ca.crt")}`,
    `--service-account-key-file=${pki("sa.pub")}`,
    `--service-account-signing-key-file=${pki("sa.key")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-cluster-ip-range=${config.serviceCidr}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    `--kubelet-client-certificate=${pki("kubelet-client.crt")}`,
    `--kubelet-client-key=${pki("kubelet-client.key")}`,
    "--kubelet-preferred-address-types=InternalIP",
    "--allow-privileged",
    ...(config.audit ? audit : []),
    // An endpoint on loopback is refused, and nothing could use it.
    ...(config.address.startsWith("127.")
      ? ["--endpoint-reconciler-type=none"]
      : [`--advertise-address=${config.address}`]),
    ...(config.apiServerArguments ?? []),
  ];
}

export function controllerManagerArguments(config: ControlPlaneConfig): string[] {
  const pki = (name: string) => join(config.folder, "pki", name);
  return [
    `--kubeconfig=${join(config.folder, "kube-controller-manager.kubeconfig")}`,
    `--service-account-private-key-file=${pki("sa.key")}`,
    `--root-ca-file=${pki("ca.crt")}`,
    `--cluster-signing-cert-file=${pki("ca.crt")}`,
    `--cluster-signing-key-file=${pki("ca.key")}`,
    "--use-service-account-credentials",
    "--leader-elect=false",
    "--secure-port=0", // more than one may run on this machine
    "--kube-api-qps=300", // its usual restraint would make the start take seconds more
    "--kube-api-burst=600",
    `--service-cluster-ip-range=${config.serviceCidr}`,
    ...(config.clusterCidr ? ["--allocate-node-cidrs", `--cluster-cidr=${config.clusterCidr}`] : []),
  ];
}

export function schedulerArguments(config: ControlPlaneConfig): string[] {
  return [
    `--kubeconfig=${join(config.folder, "kube-scheduler.kubeconfig")}`,
    "--leader-elect=false",
    "--secure-port=0",
  ];
}
