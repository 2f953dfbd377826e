import { AGENT_FILES, AGENT_NODE_OPTIONS } from "../../../../api/agent-config.ts";
import type { Tenant } from "../../../../api/tenant.ts";
import { DEPLOYMENT } from "../../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../../config.ts";
import { BROKER_SELECTOR, brokerLabels } from "../../../labels.ts";
import { owned } from "../../../owned-object.ts";
import { containerSecurity, LEAVE_SECONDS, ports, probesOver, restrictedPod } from "../../../restricted-pod.ts";
import { ACCESS_CONFIG_MAP, BROKER_TLS_SECRET, DATABASE_SECRET } from "../../../shared-names.ts";
import { brokerMetadata } from "./names.ts";

/** Longer than an agent's: what it cuts off, all agents have to ask for again. */
const DRAIN_SECONDS = 55;
/** The bodies of calls under way are held, up to a limit (src/broker/bodies.ts), and what is made of them. */
const RESOURCES = { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "512Mi" } };

/** Not the next one's: nobody needs that before it is the one to show. */
const TLS_FILES = ["tls.crt", "tls.key"].map((it) => ({ key: it, path: it }));

const readOnly = (name: string, mountPath: string) => ({ name, mountPath, readOnly: true });

const volumes = (tenant: Tenant, configMapName: string) => {
  const { name, key } = tenant.spec.anthropic.apiKeySecretRef;
  return [
    { name: "config", configMap: { name: configMapName } },
    { name: "database", secret: { secretName: DATABASE_SECRET, defaultMode: 0o440 } },
    // Optional, so that a key that comes later reaches the pod without a restart.
    {
      name: "anthropic",
      secret: { secretName: name, defaultMode: 0o440, optional: true, items: [{ key, path: "api-key" }] },
    },
    { name: "access", configMap: { name: ACCESS_CONFIG_MAP } },
    { name: "tls", secret: { secretName: BROKER_TLS_SECRET, defaultMode: 0o440, items: TLS_FILES } },
  ];
};

const container = (config: OperatorConfig) => ({
  name: "broker",
  image: config.image,
  imagePullPolicy: config.imagePullPolicy,
  args: ["broker"],
  env: [
    { name: "AGENTPG_LEAVE_SECONDS", value: String(LEAVE_SECONDS) },
    { name: "AGENTPG_DRAIN_SECONDS", value: String(DRAIN_SECONDS) },
    { name: "AGENTPG_BROKER_TLS_DIR", value: AGENT_FILES.brokerTls },
    { name: "NODE_OPTIONS", value: AGENT_NODE_OPTIONS },
    ...(config.database.insecure ? [{ name: "AGENTPG_INSECURE_DATABASE", value: "true" }] : []),
  ],
  ports,
  ...probesOver("HTTPS"),
  resources: RESOURCES,
  securityContext: containerSecurity,
  volumeMounts: [
    readOnly("config", AGENT_FILES.config),
    readOnly("database", AGENT_FILES.database),
    readOnly("anthropic", AGENT_FILES.anthropic),
    readOnly("access", AGENT_FILES.access),
    readOnly("tls", AGENT_FILES.brokerTls),
  ],
});

/** The pods that have the tenant's API key, and nobody's token. */
export const brokerDeployment = (tenant: Tenant, config: OperatorConfig, configMapName: string) =>
  owned(DEPLOYMENT, {
    metadata: brokerMetadata(tenant),
    spec: {
      replicas: tenant.spec.anthropic.broker.replicas,
      revisionHistoryLimit: 2,
      progressDeadlineSeconds: 120,
      selector: { matchLabels: BROKER_SELECTOR },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        metadata: { labels: brokerLabels(tenant) },
        spec: {
          ...restrictedPod(config, BROKER_SELECTOR, DRAIN_SECONDS),
          containers: [container(config)],
          volumes: volumes(tenant, configMapName),
        },
      },
    },
  });
