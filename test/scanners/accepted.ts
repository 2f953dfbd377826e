import type { Accepted } from "./finding.ts";

const BOTH = ["Deployment/agentpg", "Deployment/agent-*"];
const PULLED =
  "The chart's `image.pullPolicy` is IfNotPresent: a tag of ours is a version and is never moved, and a node that has it starts pods while the registry is away. With `image.digest` it cannot be moved.";
const NO_CPU_LIMIT =
  "A limit of CPU throttles a process that waits for the network most of the time, and protects nobody whom the requests do not protect. Memory is limited. `operator.resources` and an Agent's `resources` take one.";
const UID =
  "The image's user is 1000, without a name on the node, a home, capabilities or a file of the node; it cannot become another. Pods see nothing of the host that a uid could own. A volume that people share with an agent (`workspace.claimName`) is commonly theirs under 1000.";

/** What scanners find and stays, with the reason; docs/security/scanners.md is made of it. */
export const ACCEPTED: Accepted[] = [
  { scanner: "checkov", code: "CKV_K8S_11", objects: BOTH, why: NO_CPU_LIMIT },
  { scanner: "kube-score", code: "container-resources", objects: BOTH, why: NO_CPU_LIMIT },
  { scanner: "checkov", code: "CKV_K8S_15", objects: BOTH, why: PULLED },
  { scanner: "kube-score", code: "container-image-pull-policy", objects: BOTH, why: PULLED },
  {
    scanner: "checkov",
    code: "CKV_K8S_43",
    objects: BOTH,
    why: "Only who publishes an image knows its digest: the chart has `image.digest`, and agents run the operator's own image.",
  },
  {
    scanner: "checkov",
    code: "CKV_K8S_38",
    objects: ["Deployment/agentpg"],
    why: "The operator speaks to the API server: its token is what it works with, and each right has its reason in docs/rbac.md. Agents have none.",
  },
  { scanner: "checkov", code: "CKV_K8S_40", objects: BOTH, why: UID },
  { scanner: "kube-score", code: "container-security-context-user-group-id", objects: BOTH, why: UID },
  {
    scanner: "kube-score",
    code: "container-ephemeral-storage-request-and-limit",
    objects: BOTH,
    why: "The root is read-only, and each emptyDir has a `sizeLimit`; what is left is the log, which the kubelet rotates.",
  },
  {
    scanner: "kube-score",
    code: "pod-networkpolicy",
    objects: ["Deployment/agentpg"],
    why: "With the defaults only: `networkPolicy.enabled` makes it. It is off because a chart cannot know where the API server listens, and a wrong guess would cut the operator off.",
  },
  {
    scanner: "kube-score",
    code: "networkpolicy-targets-pod",
    objects: ["NetworkPolicy/agentpg-probe-*"],
    why: "The pods of the network probe are made by the operator and live for seconds.",
  },
  {
    scanner: "kube-score",
    code: "deployment-has-host-podantiaffinity",
    objects: ["Deployment/agent-*"],
    why: "Agents are spread over nodes and zones by `topologySpreadConstraints`, which do the same without keeping a third pod from starting on two nodes.",
  },
];
