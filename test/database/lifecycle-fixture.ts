import { randomUUID } from "node:crypto";
import type { QueryResultRow } from "pg";
import { AuditVerifier, type AuditFault } from "../../src/database/lifecycle/audit-chain.ts";
import { acceptRun, type Accepted } from "../../src/database/runs/accept-run.ts";
import { applySteps, type RunStep } from "../../src/database/runs/apply-steps.ts";
import { AgentDatabase } from "../../src/database/runs/database.ts";
import { createSessions } from "../../src/database/runs/sessions.ts";
import type { TenantDatabaseOptions } from "../../src/database/tenants.ts";
import { uuidv7 } from "../../src/runtime/uuid.ts";
import type { PostgresAccess } from "../support/postgres.ts";
import { aLeader, aTenant, provisioned, withClient } from "./fixture.ts";

const DAY_MS = 86_400_000;
export const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY_MS);

export const idAt = (at: Date): string => uuidv7(at.getTime());

export const AGENT = "support";

/** A step that ends a run (or, with `more`, does something else). */
export const aStep = (run: string, more: Partial<RunStep> = {}): RunStep => ({
  run,
  fence: 1,
  step: 1,
  from: "running",
  to: "completed",
  iteration: 1,
  tokens: { input: 10, output: 5, cacheRead: 0, cacheWrite: 0 },
  usd: 0.01,
  messages: [{ role: "assistant", content: [{ type: "text", text: "the answer" }], seq: 2 }],
  started: [],
  finished: [],
  children: [],
  response: "the answer",
  stopReason: "end_turn",
  error: null,
  audit: [],
  ...more,
});

export const auditOf = (user: string, session: string, action = "run.completed", at = new Date()) => ({
  at: at.toISOString(),
  record: JSON.stringify({
    at: at.toISOString(),
    tenant: "acme",
    agent: AGENT,
    user,
    action,
    session,
    input: `secret of ${user}`,
  }),
});

/** A tenant with the product's own migrations, and its login as the runtime uses it. */
export async function aTenantWithTables(postgres: PostgresAccess, options: Partial<TenantDatabaseOptions> = {}) {
  const leader = await aLeader(postgres, { migrationsDir: "migrations", ...options });
  const tenant = await provisioned(leader, aTenant({ connectionLimit: 40 }));
  const limits = { max: 12, min: 0, idleMs: 10_000, lifetimeSeconds: 600 };
  const db = new AgentDatabase(tenant.names.schema, tenant.connection, "test", limits, () => {});
  /** As a superuser, in the tenant's schema. */
  const sql = <Row extends QueryResultRow = QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]> =>
    withClient(postgres.adminSettings(leader.admin.database), async (client) => {
      await client.query(`SET search_path = ${tenant.names.schema}, pg_temp`);
      return (await client.query<Row>(text, values)).rows;
    });
  return { ...leader, ...tenant, uid: tenant.request.uid, db, sql };
}
export type TestTenant = Awaited<ReturnType<typeof aTenantWithTables>>;

export interface Asked {
  session: string;
  run: string;
}

/** A question to `agent` in a session, as the runtime takes it. */
export const accept = (
  { db }: TestTenant,
  session: string,
  { user = "ann", agent = AGENT, run = idAt(new Date()), worker = idAt(new Date()) } = {},
): Promise<Accepted> =>
  acceptRun(
    db,
    { agent, worker, model: "claude", timeoutSeconds: 60, concurrency: { tenant: 1000, agent: 1000 } },
    {
      id: run,
      sessionId: session,
      userId: user,
      prompt: `question of ${user}`,
      variables: null,
      idempotencyKey: null,
      startNow: true,
    },
  );

/** A session with one answered question and one tool call, all of it from that moment. */
export async function aConversation(tenant: TestTenant, { user = "ann", at = new Date() } = {}): Promise<Asked> {
  const session = idAt(at);
  const run = idAt(at);
  await createSessions(tenant.db, AGENT, [{ id: session, userId: user, metadata: { note: user } }]);
  await accept(tenant, session, { user, run });
  const started = [{ toolUseId: "t1", name: "orders", input: { of: user }, idempotencyKey: randomUUID() }];
  await applySteps(tenant.db, [aStep(run, { to: "running", started, messages: [] })]);
  await applySteps(tenant.db, [
    aStep(run, {
      step: 2,
      messages: [{ role: "assistant", content: [{ type: "text", text: `answer for ${user}` }], seq: 2 }],
      finished: [{ toolUseId: "t1", output: "4 orders", isError: false }],
      audit: [auditOf(user, session, "tool.called", at), auditOf(user, session, "run.completed", at)],
    }),
  ]);
  await tenant.sql(
    `WITH r AS (UPDATE runs SET created_at = $2, started_at = $2, finished_at = $2 WHERE id = $3)
     UPDATE sessions SET created_at = $2 WHERE id = $1`,
    [session, at, run],
  );
  return { session, run };
}

/** What compaction will do: an original put aside. */
export const archive = ({ sql }: TestTenant, { session, run }: Asked, seq: number, archivedAt: Date) =>
  sql(
    `INSERT INTO message_archive (session_id, seq, run_id, role, content, created_at, archived_at)
     VALUES ($1, $3, $2, 'user', '[{"type":"text","text":"original"}]', $4, $4)`,
    [session, run, seq, archivedAt],
  );

/** How many rows of these sessions each table has. */
export async function rowsOf({ sql }: TestTenant, sessions: string[]): Promise<Record<string, number>> {
  const [row] = await sql<Record<string, number>>(
    `SELECT (SELECT count(*)::int FROM sessions WHERE id = ANY($1)) AS sessions,
            (SELECT count(*)::int FROM runs WHERE session_id = ANY($1)) AS runs,
            (SELECT count(*)::int FROM messages WHERE session_id = ANY($1)) AS messages,
            (SELECT count(*)::int FROM message_archive WHERE session_id = ANY($1)) AS archived,
            (SELECT count(*)::int FROM tool_executions t WHERE NOT EXISTS (SELECT FROM runs r WHERE r.id = t.run_id)) AS orphans`,
    [sessions],
  );
  return row ?? {};
}

/** The audit log's records, in order. */
export async function auditRecords({ sql }: TestTenant): Promise<{ seq: number; record: string }[]> {
  return sql<{ seq: number; record: string }>("SELECT seq::int, record FROM audit ORDER BY seq");
}

export const recordsOf = async (tenant: TestTenant, action: string): Promise<Record<string, unknown>[]> =>
  (await auditRecords(tenant))
    .map((it) => JSON.parse(it.record) as Record<string, unknown>)
    .filter((it) => it["action"] === action);

/** Verifies the whole chain as it is in the database. */
export async function auditFaults({ sql }: TestTenant): Promise<AuditFault[]> {
  const [ends] = await sql<{ start: number; start_hash: Buffer; head: number; head_hash: Buffer }>(
    `SELECT audit_start_seq::float8 AS start, audit_start_hash AS start_hash, h.seq::float8 AS head, h.hash AS head_hash
       FROM lifecycle, audit_head h`,
  );
  if (!ends) throw new Error("the tenant has no audit log");
  const verifier = new AuditVerifier({ seq: ends.start, hash: ends.start_hash });
  for (const row of await sql("SELECT seq::float8, prev_hash, hash, record FROM audit ORDER BY seq"))
    verifier.add({ seq: row["seq"], prevHash: row["prev_hash"], hash: row["hash"], record: row["record"] });
  return verifier.finish({ seq: ends.head, hash: ends.head_hash });
}
