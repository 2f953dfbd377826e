/** A local Kubernetes for the demo and the tests; nothing of it ships with the product. */
export { buildImage } from "./build-image.ts";
export type { Cluster } from "./cluster.ts";
export { runClusterCommand } from "./command.ts";
export { type ControlPlane, startControlPlane } from "./control-plane.ts";
export { clusterDown, ensureCluster } from "./ensure-cluster.ts";
export { ensureTools, isBuilt } from "./tools.ts";
