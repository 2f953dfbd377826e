import { join } from "node:path";

/** The checkout that the demo runs from. */
export const ROOT = join(import.meta.dirname, "..", "..", "..");
export const CHART = join(ROOT, "charts", "agentpg");
export const DEMO_MANIFESTS = join(ROOT, "examples", "demo");
export const BACKENDS = join(ROOT, "test", "support", "demo-backends");

/** Where the demo puts things. */
export const OPERATOR_NAMESPACE = "agentpg-system";
export const BACKEND_NAMESPACE = "agentpg-demo";
export const PRODUCT_IMAGE = "localhost/agentpg/agentpg-operator:demo";
export const BACKEND_IMAGE = "localhost/agentpg/demo-backends:demo";
