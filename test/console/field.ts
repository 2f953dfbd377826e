import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleConsole } from "../../dev/bundle-console.ts";
import { tenantDatabaseNames } from "../../src/api/names.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import type { ResourceKind } from "../../src/kubernetes/resource-kind.ts";
import { NAMESPACE, SERVICE_ACCOUNT } from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { type RunningOperator, startOperator } from "../../src/operator/main.ts";
import { uuidv7 } from "../../src/runtime/uuid.ts";
import { createLogger } from "../../src/telemetry/log.ts";
import { withClient } from "../database/fixture.ts";
import { aTenant, anAgent } from "../support/builders.ts";
import { applyChart, renderChart } from "../support/chart.ts";
import { type OperatorHarness, startHarness } from "../support/operator-harness.ts";
import { serviceAccountKubeconfig } from "../support/service-account.ts";

const RBAC = "rbac.authorization.k8s.io";
const CLUSTER_ROLE: ResourceKind = {
  apiVersion: `${RBAC}/v1`,
  kind: "ClusterRole",
  plural: "clusterroles",
  namespaced: false,
};
const CLUSTER_ROLE_BINDING = { ...CLUSTER_ROLE, kind: "ClusterRoleBinding", plural: "clusterrolebindings" };

/** Where the people of the tests are service accounts. */
const PEOPLE = "people";
export const userOf = (name: string): string => `system:serviceaccount:${PEOPLE}:${name}`;

/** Markup in each place where somebody else chooses the text. */
export const MARKUP = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

/** An API server, Postgres, the operator with the chart's own rights and its console open, and the page. */
export interface ConsoleField {
  it: OperatorHarness;
  operator: RunningOperator;
  url: string;
  /** A fresh token of a person who has these ClusterRoles of the chart, or the rules of a role of their own. */
  person(name: string, roles: string[], rules?: object[]): Promise<string>;
  sql<Row extends object>(tenant: string, text: string, values?: unknown[]): Promise<Row[]>;
  auditOf(tenant: string, action: string): Promise<Record<string, unknown>[]>;
  /** Another replica of the operator: it waits to lead, for as long as the first one does. */
  replica(console?: object): Promise<RunningOperator>;
  stop(): Promise<void>;
}

export async function consoleField(): Promise<ConsoleField> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-console-"));
  await bundleConsole(folder);
  const keysDir = await mkdtemp(join(tmpdir(), "agentpg-kek-"));
  await writeFile(join(keysDir, "first"), randomBytes(32).toString("base64"));
  await writeFile(join(keysDir, "current"), "first");
  const it = await startHarness({ controllerManager: false });
  const chart = await renderChart("--set", "console.enabled=true", "--set", "networkProbe.enabled=false");
  await applyChart(it.client, chart, [
    "Secret",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
  ]);
  const kubeconfig = await serviceAccountKubeconfig(it.client, it.kubeconfig, "agentpg-system", "agentpg");
  const settings = (more: object = {}) => ({
    serviceAccount: "agentpg",
    tenantClusterRole: "agentpg-tenant",
    console: { enabled: true, port: 0, pageDir: folder, ...more },
    securityChecks: { firstAfterSeconds: 1, intervalSeconds: 3600 },
    encryption: { keysDir, publishSeconds: 0 },
  });
  const operator = await it.startOperator(settings(), kubeconfig);
  const replicas: RunningOperator[] = [];
  await it.apply(NAMESPACE, { metadata: { name: PEOPLE } });
  for (const name of ["acme", "globex"]) {
    await it.prepareTenantNamespace(name, name);
    await it.apply(
      TENANT,
      aTenant(name, { budget: { perDay: { usd: "5" }, perMonth: { usd: "100", tokens: 5_000_000 } } }),
    );
  }
  await it.apply(AGENT, anAgent("acme", "support", { systemPrompt: "You answer support questions." }));
  for (const name of ["acme", "globex"]) await it.condition("Tenant", name, "Ready", "True");

  const sql: ConsoleField["sql"] = async <Row extends object>(tenant: string, text: string, values: unknown[] = []) => {
    const schema = String((await it.tenant(tenant)).status?.["schema"]);
    return withClient(it.postgres.adminSettings(it.admin.database), async (client) => {
      await client.query(`SET search_path = ${tenantDatabaseNames(schema).schema}, pg_temp`);
      return (await client.query(text, values)).rows as Row[];
    });
  };
  return {
    it,
    operator,
    url: `http://127.0.0.1:${operator.consolePort}`,
    sql,
    async person(name, roles, rules) {
      await it.apply(SERVICE_ACCOUNT, { metadata: { name, namespace: PEOPLE } });
      if (rules) await it.apply(CLUSTER_ROLE, { metadata: { name: `own-${name}` }, rules });
      for (const role of [...roles, ...(rules ? [`own-${name}`] : [])])
        await it.apply(CLUSTER_ROLE_BINDING, {
          metadata: { name: `${name}-${role}` },
          roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: role },
          subjects: [{ kind: "ServiceAccount", name, namespace: PEOPLE }],
        });
      return tokenOf(it, name);
    },
    async auditOf(tenant, action) {
      const rows = await sql<{ record: string }>(tenant, "SELECT record FROM audit ORDER BY seq");
      return rows
        .map((row) => JSON.parse(row.record) as Record<string, unknown>)
        .filter((one) => one["action"] === action);
    },
    async replica(console) {
      const started = await startOperator({
        config: it.operatorConfig(settings(console)),
        kubeconfig,
        logger: createLogger("operator", "info", { write: (line) => void it.log.push(line) }),
        migrationsDir: join(import.meta.dirname, "../../migrations"),
      });
      replicas.push(started);
      return started;
    },
    async stop() {
      for (const one of replicas) await one.stop();
      await it.stop();
      for (const path of [folder, keysDir]) await rm(path, { recursive: true, force: true });
    },
  };
}

/** @param more of the token's spec */
export async function tokenOf(it: OperatorHarness, name: string, more: object = {}): Promise<string> {
  const { status } = await it.client.request<KubernetesObject & { status: { token: string } }>(
    "POST",
    `/api/v1/namespaces/${PEOPLE}/serviceaccounts/${name}/token`,
    {
      body: {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { expirationSeconds: 3600, ...more },
      },
    },
  );
  return status.token;
}

export interface Conversation {
  session: string;
  run: string;
}

export interface ConversationOptions {
  agent?: string;
  user?: string;
  state?: string;
  at?: Date;
  usd?: number;
  parentRun?: string | null;
  /** Content of its messages, the user's and the agent's in turn. */
  said?: unknown[][];
}

const text = (it: string) => [{ type: "text", text: it }];

/** A session with one run, as an agent's pods write them. */
export async function aConversation(
  { sql }: Pick<ConsoleField, "sql">,
  tenant: string,
  options: ConversationOptions = {},
): Promise<Conversation> {
  const {
    agent = "support",
    user = "ann",
    state = "completed",
    at = new Date(),
    usd = 0.0123,
    parentRun = null,
  } = options;
  const { said = [text("Where is my order 4711?"), text("It left our warehouse this morning.")] } = options;
  const [session, run] = [uuidv7(at.getTime()), uuidv7(at.getTime())];
  const over = ["completed", "failed", "cancelled"].includes(state) ? new Date(at.getTime() + 2_300) : null;
  await sql(tenant, "INSERT INTO sessions (id, agent, user_id, parent_run, created_at) VALUES ($1, $2, $3, $4, $5)", [
    session,
    agent,
    user,
    parentRun,
    at,
  ]);
  await sql(
    tenant,
    `INSERT INTO runs (id, session_id, agent, state, model, prompt, created_at, started_at, finished_at, iteration, depth, parent_run,
                       input_tokens, output_tokens, usd)
     VALUES ($1, $2, $3, $4, 'claude-sonnet-5-5', 'question', $5, $5, $6, 2, $7, $8, 1200, 340, $9)`,
    [run, session, agent, state, at, over, parentRun ? 1 : 0, parentRun, usd],
  );
  for (const [i, content] of said.entries())
    await sql(
      tenant,
      "INSERT INTO messages (session_id, seq, run_id, role, content, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
      [session, i + 1, run, i % 2 === 0 ? "user" : "assistant", JSON.stringify(content), at],
    );
  return { session, run };
}

/** A call of a tool in that run. */
export async function aToolCall(
  { sql }: Pick<ConsoleField, "sql">,
  tenant: string,
  run: string,
  call: { id: string; name: string; state?: string; input?: unknown; childRun?: string; minutes?: number },
): Promise<void> {
  const { id, name, state = "completed", input = { order: 4711 }, childRun = null, minutes = 30 } = call;
  await sql(
    tenant,
    `INSERT INTO tool_executions (run_id, tool_use_id, name, state, idempotency_key, input, child_run, approval_until)
     VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $4 = 'awaiting_approval' THEN now() + make_interval(mins => $8) END)`,
    [run, id, name, state, randomUUID(), JSON.stringify(input), childRun, minutes],
  );
}

/** Spend of the last days. */
export async function someUsage({ sql }: Pick<ConsoleField, "sql">, tenant: string, days: number): Promise<void> {
  for (const [agent, model, share] of [
    ["support", "claude-sonnet-5-5", 1],
    ["researcher", "claude-haiku-5-5", 0.3],
  ] as const)
    await sql(
      tenant,
      `INSERT INTO usage_daily (day, agent, model, runs, input_tokens, output_tokens, cache_read_tokens, usd)
       SELECT (now() AT TIME ZONE 'UTC')::date - n, $1, $2, (20 + 13 * abs(sin(n))) * $3, (52000 + 30000 * abs(sin(n * 1.7))) * $3,
              (9000 + 4000 * abs(cos(n))) * $3, 80000 * $3, (1.4 + 1.9 * abs(sin(n * 1.7))) * $3
       FROM generate_series(0, $4::int - 1) n WHERE n % 7 <> 5`,
      [agent, model, share, days],
    );
}
