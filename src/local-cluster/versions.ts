/**
 * What the local cluster is made of. `go/go.mod` holds the same versions and is what the build uses;
 * a test keeps the two together.
 */
export const versions = {
  kubernetes: "1.36.3",
  etcd: "3.7.3",
  containerd: "2.4.2",
  coredns: "1.15.0",
  helm: "4.3.1",
  cilium: "1.20.2",
  /** The oldest Go that compiles the above. */
  go: "1.26",
} as const;

/** What the image node:24-bookworm-slim brings along. */
export const npmVersion = "11.21.2";

/** Where a container engine answers, its users need nothing built: this release brings Kubernetes in an image. */
export const kindVersion = "0.31.0";

/** The image of a pod's sandbox; containerd is told this name, and the node has it before the first pod. */
export const pauseImage = "registry.k8s.io/pause:3.10";

export const corednsImage = `docker.io/coredns/coredns:${versions.coredns}-local`;
