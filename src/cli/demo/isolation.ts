import { API_PORT } from "../../api/agent-config.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { POD, SECRET, resourcePath } from "../../kubernetes/resource-kind.ts";
import { TENANT } from "../../operator/caches.ts";
import { AgentApiError } from "../../runtime/client.ts";
import { openAgent, requestToken } from "../agent-access.ts";
import { waitFor } from "../wait.ts";
import { openDatabase, query } from "./database-window.ts";
import type { Environment } from "./environment.ts";
import { VISITOR } from "./talk.ts";

const say = (good: boolean, text: string) => {
  process.stdout.write(`  ${good ? "✓" : "✗"} ${text}\n`);
  if (!good) throw new Error(`isolation: ${text}`);
};

async function schemaOf({ client }: Environment, tenant: string): Promise<string> {
  const found = await client.get<{ status?: { schema?: string } }>(TENANT, tenant);
  if (!found.status?.schema) throw new Error(`Tenant ${tenant} has no schema in its status`);
  return found.status.schema;
}

/** globex's own login, used on acme's schema. */
async function databaseRefuses(environment: Environment, ca: string): Promise<void> {
  const secret = await environment.client.get<{ data: Record<string, string> }>(SECRET, "agentpg-database", "globex");
  const read = (key: string) => Buffer.from(secret.data[key] ?? "", "base64").toString();
  const window = await openDatabase(environment, ca);
  try {
    const login = { ...window.settings, user: read("username"), password: read("password") };
    const own = await query<{ sessions: string }>(login, "select count(*) as sessions from sessions");
    say(own.length === 1, "globex's database login works on globex's own schema");
    const schema = await schemaOf(environment, "acme");
    const refusal = await query(login, `select content from ${schema}.messages`).then(
      () => "read acme's messages",
      (error: Error & { code?: string }) => error.code,
    );
    say(
      refusal === "42501",
      `globex's database login on acme's messages: ${refusal === "42501" ? "permission denied (42501)" : refusal}`,
    );
  } finally {
    await window.close();
  }
}

/** A token of globex at acme's agent. */
async function apiRefuses(environment: Environment): Promise<void> {
  const attempt = async (token: () => Promise<string>) => {
    const open = await openAgent(environment, "acme", "support", token);
    try {
      await open.agent.createSession();
      return 201;
    } catch (error) {
      if (error instanceof AgentApiError) return error.status;
      throw error;
    } finally {
      await open.close();
    }
  };
  const foreign = await attempt(() => requestToken(environment.client, "globex", VISITOR));
  say(foreign === 403, `globex's token at acme's agent: HTTP ${foreign}`);
  const wrongAudience = await attempt(() => requestToken(environment.client, "acme", VISITOR, "somebody-else"));
  say(wrongAudience === 401, `acme's token for another audience at acme's agent: HTTP ${wrongAudience}`);
}

/** What a pod says that tries to connect: it ends at once or after four seconds of silence. */
const PROBE = (host: string) =>
  `const s=require("net").connect(${API_PORT},${JSON.stringify(host)});const end=t=>{console.log(t);process.exit(0)};s.setTimeout(4000,()=>end("timeout"));s.on("connect",()=>end("connected"));s.on("error",e=>end(e.code))`;

async function probeFrom({ client, images }: Environment, namespace: string, host: string): Promise<string> {
  const name = "network-probe";
  await client.delete(POD, name, namespace);
  await waitFor(
    () => client.list<KubernetesObject>(POD, namespace),
    (pods) => !pods.some(({ metadata }) => metadata.name === name),
    { seconds: 60, say: () => "an old probe pod is still there" },
  );
  const container = {
    name: "probe",
    image: images.product,
    imagePullPolicy: "IfNotPresent",
    command: ["/usr/local/bin/node", "-e", PROBE(host)],
    resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true },
  };
  const security = { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } };
  const spec = {
    restartPolicy: "Never",
    automountServiceAccountToken: false,
    securityContext: security,
    containers: [container],
  };
  await client.create(POD, { apiVersion: "v1", kind: "Pod", metadata: { name, namespace }, spec }, namespace);
  await waitFor(
    () => client.get<{ status?: { phase?: string } }>(POD, name, namespace),
    ({ status }) => status?.phase === "Succeeded" || status?.phase === "Failed",
    { seconds: 60, say: ({ status }) => `the probe pod in ${namespace} is ${status?.phase}` },
  );
  const log = await client.request<string>("GET", resourcePath(POD, namespace, name, "log"));
  await client.delete(POD, name, namespace);
  return log.trim();
}

/** A pod of globex that tries to connect to acme's agent, and one of acme that may. */
async function networkRefuses(environment: Environment, enforced: boolean | undefined): Promise<void> {
  const host = "agent-support.acme.svc";
  const own = await probeFrom(environment, "acme", host);
  say(own === "connected", `a pod of acme connects to acme's agent: ${own}`);
  const foreign = await probeFrom(environment, "globex", host);
  if (foreign === "timeout" || foreign === "ECONNREFUSED")
    return say(true, `a pod of globex is kept from acme's agent by the network: ${foreign}`);
  say(
    enforced !== true,
    `a pod of globex reaches acme's agent (${foreign}): this cluster does not enforce NetworkPolicy, the agent's API refused it above`,
  );
}

/** One tenant cannot reach another: not its rows, not its agents, not its pods. */
export async function proveIsolation(
  environment: Environment,
  ca: string,
  enforced: boolean | undefined,
): Promise<void> {
  process.stdout.write("\n── Tenant globex tries to reach tenant acme ──\n");
  await databaseRefuses(environment, ca);
  await apiRefuses(environment);
  await networkRefuses(environment, enforced);
}
