import { randomBytes } from "node:crypto";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import type { ResourceKind } from "../../kubernetes/resource-kind.ts";
import { createAuthority } from "../../local-cluster/pki.ts";
import { BACKEND_NAMESPACE, OPERATOR_NAMESPACE } from "./paths.ts";

export interface Manifest {
  kind: ResourceKind;
  object: KubernetesObject;
}

export const POSTGRES_HOST = `postgres.${BACKEND_NAMESPACE}.svc`;
export const CLAUDE_URL = `http://claude.${BACKEND_NAMESPACE}.svc:8080`;
export const ADMIN_SECRET = "agentpg-database-admin";

const manifest = (kind: ResourceKind, name: string, namespace: string | undefined, more: object): Manifest => ({
  kind,
  object: { metadata: { name, ...(namespace ? { namespace } : {}) }, ...more },
});

export const namespaceManifest = (name: string): Manifest =>
  manifest(kinds.NAMESPACE, name, undefined, {
    metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  });

export const secretManifest = (name: string, namespace: string, data: Record<string, string>): Manifest =>
  manifest(kinds.SECRET, name, namespace, { stringData: data });

const CONTAINER_SECURITY = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

interface Backend {
  image: string;
  name: string;
  port: number;
  command: string[];
  env?: { name: string; value: string }[];
  volumes: { name: string; mountPath: string; source: object }[];
}

function backend({ image, name, port, command, env = [], volumes }: Backend): Manifest[] {
  const labels = { app: name };
  const container = {
    name,
    image,
    imagePullPolicy: "IfNotPresent",
    command,
    env,
    ports: [{ containerPort: port }],
    readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
    resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "1Gi" } },
    securityContext: CONTAINER_SECURITY,
    volumeMounts: volumes.map(({ name: volume, mountPath }) => ({ name: volume, mountPath })),
  };
  const pod = {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 5,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: { type: "RuntimeDefault" } },
    containers: [container],
    volumes: volumes.map(({ name: volume, source }) => ({ name: volume, ...source })),
  };
  return [
    manifest(kinds.DEPLOYMENT, name, BACKEND_NAMESPACE, {
      spec: {
        replicas: 1,
        strategy: { type: "Recreate" },
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: pod },
      },
    }),
    manifest(kinds.SERVICE, name, BACKEND_NAMESPACE, {
      spec: { selector: labels, ports: [{ port, targetPort: port }] },
    }),
  ];
}

const tmp = { name: "tmp", mountPath: "/tmp", source: { emptyDir: {} } };

/** What Postgres and its clients need to know of each other. */
export interface PostgresFiles {
  "tls.crt": string;
  "tls.key": string;
  "ca.crt": string;
  "superuser-password": string;
  "operator-password": string;
}

export async function newPostgresFiles(): Promise<PostgresFiles> {
  const authority = await createAuthority("AgentPG demo CA");
  const dns = [POSTGRES_HOST, `${POSTGRES_HOST}.cluster.local`, "postgres", "localhost"];
  const tls = await authority.issue({ user: "postgres", dns, addresses: ["127.0.0.1"] });
  const password = () => randomBytes(24).toString("base64url");
  return {
    "tls.crt": tls.certificate,
    "tls.key": tls.key,
    "ca.crt": authority.certificate,
    "superuser-password": password(),
    "operator-password": password(),
  };
}

/** Postgres with TLS and two roles, and the operator's Secret for it. */
export function postgresManifests(files: PostgresFiles, image: string): Manifest[] {
  const volumes = [
    tmp,
    { name: "data", mountPath: "/data", source: { emptyDir: {} } },
    { name: "files", mountPath: "/etc/postgres", source: { secret: { secretName: "postgres", defaultMode: 0o440 } } },
  ];
  const admin = { username: "agentpg_operator", password: files["operator-password"], "ca.crt": files["ca.crt"] };
  return [
    secretManifest("postgres", BACKEND_NAMESPACE, { ...files }),
    ...backend({ image, name: "postgres", port: 5432, command: ["node", "/opt/start-postgres.mjs"], volumes }),
    secretManifest(ADMIN_SECRET, OPERATOR_NAMESPACE, admin),
  ];
}

/** The simulated Claude, which answers word by word so that streaming can be seen. */
export const claudeManifests = (image: string): Manifest[] =>
  backend({
    image,
    name: "claude",
    port: 8080,
    command: ["node", "/opt/simulated-claude.mjs"],
    env: [
      { name: "HOST", value: "0.0.0.0" },
      { name: "PORT", value: "8080" },
      { name: "CONFIG", value: JSON.stringify({ chunks: "words", chunkDelayMs: 25 }) },
    ],
    volumes: [tmp],
  });
