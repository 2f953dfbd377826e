import type { Mutant } from "../mutant.ts";

const DEPLOYMENT = "src/operator/agent/objects/deployment.ts";
const RESTRICTED = "src/operator/restricted-pod.ts";
const NAMESPACED = "src/operator/tenant/objects/network-policies.ts";
const AGENTS = "src/operator/agent/objects/network-policy.ts";
const EGRESS = "src/operator/network/egress.ts";
const pods = [{ file: "test/attacks/weakening-specs.test.ts" }];
const matrix = [{ file: "test/operator/network-analysis.test.ts", tests: "each source reaches what it may" }];

/** The pods that the operator makes, and the namespace that they are in. */
export const PODS: Mutant[] = [
  {
    weakness: "an agent's container is privileged",
    file: RESTRICTED,
    from: "privileged: false",
    to: "privileged: true",
    killedBy: pods,
  },
  {
    weakness: "an agent may gain privileges",
    file: RESTRICTED,
    from: "allowPrivilegeEscalation: false",
    to: "allowPrivilegeEscalation: true",
    killedBy: pods,
  },
  {
    weakness: "an agent can write to its image's files",
    file: RESTRICTED,
    from: "readOnlyRootFilesystem: true",
    to: "readOnlyRootFilesystem: false",
    killedBy: pods,
  },
  {
    weakness: "an agent keeps the capabilities of the container engine",
    file: RESTRICTED,
    from: 'capabilities: { drop: ["ALL"] }',
    to: "capabilities: {}",
    killedBy: pods,
  },
  {
    weakness: "an agent's pod gets a Kubernetes token",
    file: RESTRICTED,
    from: "automountServiceAccountToken: false",
    to: "automountServiceAccountToken: true",
    killedBy: pods,
  },
  {
    weakness: "an agent may take all of its node's memory",
    file: DEPLOYMENT,
    from: "resources: agent.spec.resources,",
    to: "resources: { requests: agent.spec.resources.requests },",
    killedBy: pods,
  },
  {
    weakness: "containers that somebody added before the agent's are left",
    file: RESTRICTED,
    from: "initContainers: [], // said aloud, so that one that somebody adds is drift",
    to: "",
    killedBy: pods,
  },
  {
    weakness: "a tenant's namespace takes pods that are not restricted",
    file: "src/operator/tenant/objects/namespace.ts",
    from: '"pod-security.kubernetes.io/enforce": "restricted"',
    to: '"pod-security.kubernetes.io/enforce": "baseline"',
    killedBy: pods,
  },
];

/** The network policies that the operator makes. */
export const NETWORK: Mutant[] = [
  {
    weakness: "a tenant's namespace is closed in one direction only",
    file: NAMESPACED,
    from: 'spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [], egress: [] }',
    to: 'spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [] }',
    killedBy: [{ file: "test/operator/network-analysis.test.ts", tests: "the default deny closes a namespace" }],
  },
  {
    weakness: "pods of all namespaces may call an agent",
    file: AGENTS,
    from: "[{ podSelector: {} }, ...config.agentClients]",
    to: "[{ namespaceSelector: {} }, ...config.agentClients]",
    killedBy: matrix,
  },
  {
    weakness: "where nobody may scrape, everybody may",
    file: EGRESS,
    from: "peers.length > 0 ? [{ [direction]: peers, ports }] : []",
    to: "[{ [direction]: peers, ports }]",
    killedBy: [{ file: "test/operator/network-analysis.test.ts", tests: "nobody is named" }],
  },
  {
    weakness: "an agent may reach the database's peers on all ports",
    file: EGRESS,
    from: "    tcp(database.peerPort ?? database.agentPort ?? database.port),",
    to: "    [],",
    killedBy: [{ file: "test/operator/network-analysis.test.ts", tests: "on their ports, and on no other" }],
  },
  {
    weakness: "a network that the Tenant opens holds the metadata address",
    file: EGRESS,
    from: "...(except.length > 0 ? { except } : {})",
    to: "...(except.length > 99 ? { except } : {})",
    killedBy: [
      { file: "src/operator/network/egress.test.ts" },
      { file: "test/operator/network-analysis.test.ts", tests: "a network that the Tenant opens" },
    ],
  },
  {
    weakness: "private networks count as public",
    file: EGRESS,
    from: '  "10.0.0.0/8",\n',
    to: "",
    killedBy: [{ file: "src/operator/network/egress.test.ts" }],
  },
  {
    weakness: "the metadata address counts as public",
    file: EGRESS,
    from: '  "127.0.0.0/8",\n  "169.254.0.0/16",\n',
    to: '  "127.0.0.0/8",\n',
    killedBy: [{ file: "src/operator/network/egress.test.ts" }],
  },
  {
    weakness: "names may be asked for anywhere",
    file: NAMESPACED,
    from: "          to: config.dnsPeers,\n",
    to: "",
    killedBy: [{ file: "test/operator/network-analysis.test.ts", tests: "cluster's name server" }],
  },
  {
    weakness: "a tenant's pods may call the agents of all tenants",
    file: NAMESPACED,
    from: "{ to: [{ podSelector: { matchLabels: AGENT_PODS } }]",
    to: '{ to: [{ namespaceSelector: {}, podSelector: { matchLabels: { "app.kubernetes.io/name": "agentpg-agent" } } }]',
    killedBy: [{ file: "test/operator/network-analysis.test.ts", tests: "by its own policies alone" }],
  },
];
