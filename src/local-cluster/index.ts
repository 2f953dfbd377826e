/** A local Kubernetes for the demo and the tests; nothing of it ships with the product. */
export { buildImage, type BuiltImage, type ImageOptions } from "./build-image.ts";
export type { Cluster } from "./cluster.ts";
export { runClusterCommand } from "./command.ts";
export { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "./control-plane.ts";
export { type ClusterStatus, clusterDown, clusterStatus, ensureCluster, type EnsureOptions } from "./ensure-cluster.ts";
export { LocalClusterError } from "./errors.ts";
export type { Tool } from "./tool-list.ts";
export { ensureTools } from "./tools.ts";
