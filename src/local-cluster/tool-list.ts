import { versions } from "./versions.ts";

/** How a program of the cluster is built: its Go package and, where `go build` names the file otherwise, that name. */
interface GoTool {
  package: string;
  output?: string;
  /** containerd speaks a newer CRI than this Kubernetes: it is linked with the interface's own next version. */
  newerCri?: true;
}

const kubernetes = (name: string) => ({ package: `k8s.io/kubernetes/cmd/${name}` });
const containerd = (name: string): GoTool => ({
  package: `github.com/containerd/containerd/v2/cmd/${name}`,
  newerCri: true,
});

export const goTools = {
  etcd: { package: "go.etcd.io/etcd/server/v3", output: "server" },
  "kube-apiserver": kubernetes("kube-apiserver"),
  "kube-controller-manager": kubernetes("kube-controller-manager"),
  "kube-scheduler": kubernetes("kube-scheduler"),
  kubelet: kubernetes("kubelet"),
  "kube-proxy": kubernetes("kube-proxy"),
  kubectl: kubernetes("kubectl"),
  containerd: containerd("containerd"),
  "containerd-shim-runc-v2": containerd("containerd-shim-runc-v2"),
  ctr: containerd("ctr"),
  helm: { package: "helm.sh/helm/v4/cmd/helm" },
  coredns: { package: "./coredns" },
  pause: { package: "./pause" },
  "cilium-agent": { package: "github.com/cilium/cilium/daemon", output: "daemon" },
  "cilium-cni": { package: "github.com/cilium/cilium/plugins/cilium-cni" },
} satisfies Record<string, GoTool>;

export type Tool = keyof typeof goTools;

export const toolFor = (tool: Tool): GoTool => goTools[tool];

const minor = versions.kubernetes.split(".")[1];

/** What the programs say of themselves; the linker ignores the variables that a program hasn't got. */
export const linkerFlags = [
  "-s",
  "-w",
  ...[
    `k8s.io/component-base/version.gitVersion=v${versions.kubernetes}`,
    "k8s.io/component-base/version.gitMajor=1",
    `k8s.io/component-base/version.gitMinor=${minor}`,
    `helm.sh/helm/v4/internal/version.version=v${versions.helm}`,
    `github.com/containerd/containerd/v2/version.Version=v${versions.containerd}`,
    `'github.com/cilium/cilium/pkg/version.ciliumVersion=${versions.cilium} local 2026-01-01T00:00:00+00:00'`,
  ].map((variable) => `-X ${variable}`),
].join(" ");
