import { AGENT_NODE_OPTIONS, AGENT_FILES, API_PORT, METRICS_PORT } from "../../../api/agent-config.ts";
import type { Agent } from "../../../api/agent.ts";
import type { Tenant } from "../../../api/tenant.ts";
import { tenantNamespace } from "../../../api/tenant.ts";
import { DEPLOYMENT } from "../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../config.ts";
import { agentLabels, agentSelector } from "../../labels.ts";
import { owned } from "../../owned-object.ts";
import { TRANSCRIPT_KEYS_SECRET } from "../../shared-names.ts";
import { mcpTokensOf } from "../mcp-tokens.ts";
import { controllerOf, ownedName } from "./owner.ts";
import { tracingEnvironment } from "./tracing.ts";
import { rolloutStrategy, workspaceMounts, workspaceVolumes } from "./workspace.ts";

const DRAIN_SECONDS = 25;
/** How long a pod that is to end still takes requests: until every node has learned that it is no endpoint any more. */
const LEAVE_SECONDS = 5;

/** What a pod has to be told of the tenant's shared objects. */
export interface PodInputs {
  agent: Agent;
  tenant: Tenant;
  config: OperatorConfig;
  configMapName: string;
  configRevision: string;
  credentialsSecret: string;
  accessConfigMap: string;
}

/** One volume for all, in which each tool finds its own; optional, as the API key is. */
function mcpTokenVolumes(agent: Agent) {
  const sources = mcpTokensOf(agent).map(({ tool, ref: { name, key } }) => ({
    secret: { name, optional: true, items: [{ key, path: tool }] },
  }));
  return sources.length ? [{ name: "mcp-tokens", projected: { defaultMode: 0o440, sources } }] : [];
}

const volumes = ({ agent, tenant, configMapName, credentialsSecret, accessConfigMap }: PodInputs) => {
  const { name, key } = tenant.spec.anthropic.apiKeySecretRef;
  return [
    { name: "config", configMap: { name: configMapName } },
    { name: "database", secret: { secretName: credentialsSecret, defaultMode: 0o440 } },
    // Optional, so that a key that comes later reaches the pod without a restart.
    {
      name: "anthropic",
      secret: { secretName: name, defaultMode: 0o440, optional: true, items: [{ key, path: "api-key" }] },
    },
    { name: "access", configMap: { name: accessConfigMap, optional: true } },
    // Also of an Agent that does not encrypt: it may have, or ask one that does.
    { name: "transcript-keys", secret: { secretName: TRANSCRIPT_KEYS_SECRET, defaultMode: 0o440, optional: true } },
    // Whole, so that a module finds its neighbours. One that is taken away keeps no pod that runs from going on.
    ...agent.spec.modules.map(({ name: module, configMapKeyRef }) => ({
      name: `module-${module}`,
      configMap: { name: configMapKeyRef.name },
    })),
    ...mcpTokenVolumes(agent),
    ...workspaceVolumes(agent),
    { name: "tmp", emptyDir: { sizeLimit: "64Mi" } },
  ];
};

const volumeMounts = (agent: Agent) => [
  { name: "config", mountPath: AGENT_FILES.config, readOnly: true },
  { name: "database", mountPath: AGENT_FILES.database, readOnly: true },
  { name: "anthropic", mountPath: AGENT_FILES.anthropic, readOnly: true },
  { name: "access", mountPath: AGENT_FILES.access, readOnly: true },
  { name: "transcript-keys", mountPath: AGENT_FILES.transcriptKeys, readOnly: true },
  ...agent.spec.modules.map(({ name }) => ({
    name: `module-${name}`,
    mountPath: `${AGENT_FILES.modules}/${name}`,
    readOnly: true,
  })),
  ...mcpTokenVolumes(agent).map(({ name }) => ({ name, mountPath: AGENT_FILES.mcpTokens, readOnly: true })),
  ...workspaceMounts(agent),
  { name: "tmp", mountPath: "/tmp" },
];

const probe = (path: string, more: object) => ({ httpGet: { path, port: "api" }, timeoutSeconds: 3, ...more });

const poolLimits = ({ database: { pool } }: OperatorConfig) => [
  { name: "AGENTPG_POOL_MAX", value: String(pool.max) },
  { name: "AGENTPG_POOL_MIN", value: String(pool.min) },
  { name: "AGENTPG_POOL_LIFETIME_SECONDS", value: String(pool.maxLifetimeSeconds) },
  { name: "AGENTPG_POOL_IDLE_SECONDS", value: String(pool.idleSeconds) },
];

const container = ({ agent, config, configRevision }: PodInputs) => ({
  name: "agent",
  image: config.image,
  imagePullPolicy: config.imagePullPolicy,
  args: ["runtime"],
  env: [
    { name: "AGENTPG_POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    { name: "AGENTPG_CONFIG_REVISION", value: configRevision },
    { name: "AGENTPG_LEAVE_SECONDS", value: String(LEAVE_SECONDS) },
    { name: "AGENTPG_DRAIN_SECONDS", value: String(DRAIN_SECONDS) },
    { name: "NODE_OPTIONS", value: AGENT_NODE_OPTIONS },
    ...poolLimits(config),
    ...tracingEnvironment(config),
    ...(config.database.insecure ? [{ name: "AGENTPG_INSECURE_DATABASE", value: "true" }] : []),
  ],
  ports: [
    { name: "api", containerPort: API_PORT },
    { name: "metrics", containerPort: METRICS_PORT },
  ],
  startupProbe: probe("/livez", { periodSeconds: 1, failureThreshold: 60 }),
  livenessProbe: probe("/livez", { periodSeconds: 10, failureThreshold: 3 }),
  readinessProbe: probe("/readyz", { periodSeconds: 2, failureThreshold: 2 }),
  resources: agent.spec.resources,
  securityContext: {
    allowPrivilegeEscalation: false,
    privileged: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    runAsUser: 1000,
    capabilities: { drop: ["ALL"] },
    seccompProfile: { type: "RuntimeDefault" },
  },
  volumeMounts: volumeMounts(agent),
});

/** Spread over nodes and zones, as far as there are any. */
const topologySpread = (selector: Record<string, string>) =>
  ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: selector },
  }));

/** The Agent's pods: Pod Security `restricted`, from no field of the spec to be weakened. */
export function deployment(inputs: PodInputs, replicas: number) {
  const { agent, tenant, config } = inputs;
  const selector = agentSelector(agent.metadata.name);
  const labels = agentLabels(agent.metadata.name, tenant.metadata.name);
  return owned(DEPLOYMENT, {
    metadata: {
      name: ownedName(agent),
      namespace: tenantNamespace(tenant),
      labels,
      ownerReferences: [controllerOf(agent)],
    },
    spec: {
      replicas,
      revisionHistoryLimit: 2,
      progressDeadlineSeconds: 120,
      selector: { matchLabels: selector },
      strategy: rolloutStrategy(agent),
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: ownedName(agent),
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: LEAVE_SECONDS + DRAIN_SECONDS + 10,
          ...(config.imagePullSecrets.length > 0
            ? { imagePullSecrets: config.imagePullSecrets.map((name) => ({ name })) }
            : {}),
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 1000,
            runAsGroup: 1000,
            fsGroup: 1000,
            seccompProfile: { type: "RuntimeDefault" },
          },
          topologySpreadConstraints: topologySpread(selector), // of a single pod too: to scale must not change the template
          initContainers: [], // said aloud, so that one that somebody adds is drift
          containers: [container(inputs)],
          volumes: volumes(inputs),
        },
      },
    },
  });
}
