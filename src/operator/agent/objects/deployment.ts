import { AGENT_FILES, AGENT_NODE_OPTIONS } from "../../../api/agent-config.ts";
import type { Agent } from "../../../api/agent.ts";
import {
  BROKER_AUDIENCE,
  BROKER_CA_FILE,
  BROKER_TOKEN_FILE,
  BROKER_TOKEN_SECONDS,
} from "../../../api/broker-config.ts";
import type { Tenant } from "../../../api/tenant.ts";
import { hasBroker, tenantNamespace } from "../../../api/tenant.ts";
import { DEPLOYMENT } from "../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../config.ts";
import { agentLabels, agentSelector } from "../../labels.ts";
import { owned } from "../../owned-object.ts";
import { containerSecurity, LEAVE_SECONDS, ports, probes, restrictedPod } from "../../restricted-pod.ts";
import { BROKER_CA_CONFIG_MAP, BROKER_TOKEN_VOLUME, TRANSCRIPT_KEYS_SECRET } from "../../shared-names.ts";
import { mcpTokensOf } from "../mcp-tokens.ts";
import { controllerOf, ownedName } from "./owner.ts";
import { tracingEnvironment } from "./tracing.ts";
import { rolloutStrategy, workspaceMounts, workspaceVolumes } from "./workspace.ts";

const DRAIN_SECONDS = 25;

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

/** What the model is called with: the API key, or the pod's own token for the broker that has it. */
function modelKeyVolume(tenant: Tenant) {
  if (hasBroker(tenant)) {
    const serviceAccountToken = {
      audience: BROKER_AUDIENCE,
      expirationSeconds: BROKER_TOKEN_SECONDS,
      path: BROKER_TOKEN_FILE,
    };
    const configMap = { name: BROKER_CA_CONFIG_MAP, items: [{ key: BROKER_CA_FILE, path: BROKER_CA_FILE }] };
    return {
      name: BROKER_TOKEN_VOLUME,
      projected: { defaultMode: 0o440, sources: [{ serviceAccountToken }, { configMap }] },
    };
  }
  const { name, key } = tenant.spec.anthropic.apiKeySecretRef;
  // Optional, so that a key that comes later reaches the pod without a restart.
  const secret = { secretName: name, defaultMode: 0o440, optional: true, items: [{ key, path: "api-key" }] };
  return { name: "anthropic", secret };
}

const modelKeyMount = (tenant: Tenant) =>
  hasBroker(tenant)
    ? { name: BROKER_TOKEN_VOLUME, mountPath: AGENT_FILES.brokerToken, readOnly: true }
    : { name: "anthropic", mountPath: AGENT_FILES.anthropic, readOnly: true };

const volumes = ({ agent, tenant, configMapName, credentialsSecret, accessConfigMap }: PodInputs) => [
  { name: "config", configMap: { name: configMapName } },
  { name: "database", secret: { secretName: credentialsSecret, defaultMode: 0o440 } },
  modelKeyVolume(tenant),
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

const volumeMounts = ({ agent, tenant }: PodInputs) => [
  { name: "config", mountPath: AGENT_FILES.config, readOnly: true },
  { name: "database", mountPath: AGENT_FILES.database, readOnly: true },
  modelKeyMount(tenant),
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

const poolLimits = ({ database: { pool } }: OperatorConfig) => [
  { name: "AGENTPG_POOL_MAX", value: String(pool.max) },
  { name: "AGENTPG_POOL_MIN", value: String(pool.min) },
  { name: "AGENTPG_POOL_LIFETIME_SECONDS", value: String(pool.maxLifetimeSeconds) },
  { name: "AGENTPG_POOL_IDLE_SECONDS", value: String(pool.idleSeconds) },
];

const container = (inputs: PodInputs) => {
  const { agent, config, configRevision } = inputs;
  return {
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
    ports,
    ...probes,
    resources: agent.spec.resources,
    securityContext: containerSecurity,
    volumeMounts: volumeMounts(inputs),
  };
};

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
          ...restrictedPod(config, selector, DRAIN_SECONDS),
          containers: [container(inputs)],
          volumes: volumes(inputs),
        },
      },
    },
  });
}
