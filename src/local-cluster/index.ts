/** A local Kubernetes for the demo and the tests; nothing of it ships with the product. */
export { LocalClusterError } from "./errors.ts";
export { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "./control-plane.ts";
export { ensureTools } from "./tools.ts";
export type { Tool } from "./tool-list.ts";
