import type { ApiClient } from "../api-client.ts";
import { corednsImage } from "../versions.ts";

const name = "coredns";
const namespace = "kube-system";
const metadata = { name, namespace };
const labels = { "k8s-app": "kube-dns" }; // what egress policies select DNS by, in every cluster

const corefile = `.:53 {
  errors
  ready
  kubernetes cluster.local
}
`;

const deployment = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata,
  spec: {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        serviceAccountName: name,
        dnsPolicy: "Default",
        priorityClassName: "system-cluster-critical",
        containers: [
          {
            name,
            image: corednsImage,
            imagePullPolicy: "IfNotPresent",
            args: ["-conf", "/etc/coredns/Corefile"],
            volumeMounts: [{ name: "conf", mountPath: "/etc/coredns" }],
            readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
          },
        ],
        volumes: [{ name: "conf", configMap: { name } }],
      },
    },
  },
};

/** Applies CoreDNS: a pod labelled as everywhere, and a Service at the given address. */
export async function applyDns(api: ApiClient, address: string): Promise<void> {
  const read = ["list", "watch"];
  const role = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name },
    rules: [
      { apiGroups: [""], resources: ["services", "pods", "namespaces"], verbs: read },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: read },
    ],
  };
  const binding = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: [{ kind: "ServiceAccount", name, namespace }],
  };
  const ports = ["UDP", "TCP"].map((protocol) => ({ name: `dns-${protocol.toLowerCase()}`, port: 53, protocol }));
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "kube-dns", namespace, labels },
    spec: { clusterIP: address, selector: labels, ports },
  };
  const core = `/api/v1/namespaces/${namespace}`;
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  await api.apply(`${core}/serviceaccounts/${name}`, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  await api.apply(`${rbac}/clusterroles/${name}`, role);
  await api.apply(`${rbac}/clusterrolebindings/${name}`, binding);
  await api.apply(`${core}/configmaps/${name}`, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata,
    data: { Corefile: corefile },
  });
  await api.apply(`${core}/services/kube-dns`, service);
  await api.apply(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`, deployment);
}

export async function dnsIsReady(api: ApiClient): Promise<boolean> {
  const found = JSON.parse(await api.get(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`)) as {
    status?: { readyReplicas?: number };
  };
  return (found.status?.readyReplicas ?? 0) > 0;
}
