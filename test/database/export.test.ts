import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AuditVerifier } from "../../src/database/lifecycle/audit-chain.ts";
import type { ExportOptions } from "../../src/database/lifecycle/export.ts";
import type { Subject } from "../../src/database/lifecycle/subject.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { closeDatabases } from "./fixture.ts";
import { aConversation, archive, aTenantWithTables, daysAgo, type TestTenant } from "./lifecycle-fixture.ts";

type Line = { type: string; [field: string]: unknown };

let postgres: TestPostgres;
const tenants: TestTenant[] = [];
beforeAll(async () => {
  postgres = await startPostgres();
});
afterEach(async () => {
  for (const it of tenants.splice(0)) await it.db.close();
});
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
});

async function aTenant(): Promise<TestTenant> {
  const tenant = await aTenantWithTables(postgres);
  tenants.push(tenant);
  return tenant;
}

async function exported(tenant: TestTenant, subject?: Subject, more: Partial<ExportOptions> = {}): Promise<Line[]> {
  const lines: Line[] = [];
  await tenant.database.lifecycle.exportTenant(
    { uid: tenant.uid, ...(subject ? { subject } : {}) },
    { emit: async (line) => void lines.push(line as Line), signal: new AbortController().signal, ...more },
  );
  return JSON.parse(JSON.stringify(lines)) as Line[];
}
const ofType = (lines: Line[], type: string): Line[] => lines.filter((it) => it.type === type);

describe("an export of a tenant", () => {
  test("holds every row, framed by what it is and a hash over it", async () => {
    const tenant = await aTenant();
    const ann = await aConversation(tenant, { user: "ann", at: daysAgo(2) });
    const bob = await aConversation(tenant, { user: "bob" });
    await archive(tenant, ann, 9, new Date());
    const lines = await exported(tenant);
    const counts = { session: 2, run: 2, message: 4, archived_message: 1, tool_execution: 2, usage: 1, audit: 4 };
    expect(lines[0]).toMatchObject({
      type: "export",
      version: 1,
      tenant: { name: tenant.request.name, uid: tenant.uid },
      subject: null,
      counts,
    });
    const text = lines.slice(0, -1).map((it) => `${JSON.stringify(it)}\n`);
    expect(lines.at(-1)).toEqual({
      type: "end",
      counts,
      sha256: createHash("sha256").update(text.join("")).digest("hex"),
    });

    expect(ofType(lines, "session")).toMatchObject([
      { id: ann.session, agent: "support", userId: "ann", metadata: { note: "ann" } },
      { id: bob.session },
    ]);
    expect(ofType(lines, "run")[0]).toMatchObject({
      id: ann.run,
      sessionId: ann.session,
      state: "completed",
      prompt: "question of ann",
      response: "the answer",
      inputTokens: 10,
      usd: "0.01000000",
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
    });
    expect(ofType(lines, "message").slice(0, 2)).toMatchObject([
      { sessionId: ann.session, seq: 1, role: "user", content: [{ type: "text", text: "question of ann" }] },
      { sessionId: ann.session, seq: 2, role: "assistant", content: [{ type: "text", text: "answer for ann" }] },
    ]);
    expect(ofType(lines, "tool_execution")[0]).toMatchObject({
      runId: ann.run,
      name: "orders",
      input: { of: "ann" },
      output: "4 orders",
    });
    expect(ofType(lines, "archived_message")).toMatchObject([{ sessionId: ann.session, seq: 9 }]);
    expect(ofType(lines, "usage")).toMatchObject([
      { day: new Date().toISOString().slice(0, 10), runs: 2, inputTokens: 20 },
    ]);
  });

  test("can be verified by itself: the audit chain is whole", async () => {
    const tenant = await aTenant();
    await aConversation(tenant);
    const lines = await exported(tenant);
    const [first = { type: "" }] = lines;
    const { start, head } = first["auditChain"] as Record<"start" | "head", { seq: number; hash: string }>;
    const bytes = (hex: unknown) => Buffer.from(String(hex), "hex");
    const verifier = new AuditVerifier({ seq: start.seq, hash: bytes(start.hash) });
    for (const it of ofType(lines, "audit"))
      verifier.add({
        seq: Number(it["seq"]),
        prevHash: bytes(it["prevHash"]),
        hash: bytes(it["hash"]),
        record: String(it["record"]),
      });
    expect(verifier.finish({ seq: head.seq, hash: bytes(head.hash) })).toEqual([]);
  });

  test("is of one moment, whatever is written meanwhile", async () => {
    const tenant = await aTenant();
    for (let i = 0; i < 30; i++) await aConversation(tenant);
    let seen = 0;
    const lines: Line[] = [];
    const emit = async (line: object) => {
      lines.push(line as Line);
      if (++seen === 5) await aConversation(tenant, { user: "late" });
    };
    await exported(tenant, undefined, { emit });
    expect(lines.at(-1)).toMatchObject({ counts: { session: 30, run: 30, message: 60, audit: 60 } });
    expect(JSON.stringify(lines)).not.toContain("late");
  });

  test("decodes rows as it is told to, and knows no column that is not of the format", async () => {
    const tenant = await aTenant();
    await aConversation(tenant);
    const decode = async (type: string, row: Record<string, unknown>) =>
      type === "message" ? { ...row, content: "decoded", key_version: 1 } : row;
    const [message] = ofType(await exported(tenant, undefined, { decode }), "message");
    expect(message).toMatchObject({ content: "decoded" });
    expect(message).not.toHaveProperty("key_version");
  });
});

test("an export of a user or a session holds theirs, nested sessions too, and nobody else's", async () => {
  const tenant = await aTenant();
  const ann = await aConversation(tenant, { user: "ann" });
  const nested = await aConversation(tenant, { user: "ann" });
  const other = await aConversation(tenant, { user: "ann" });
  await aConversation(tenant, { user: "bob" });
  await tenant.sql("UPDATE sessions SET parent_run = $2 WHERE id = $1", [nested.session, ann.run]);
  await tenant.sql("UPDATE runs SET parent_run = $2 WHERE id = $1", [nested.run, ann.run]);

  const ofUser = await exported(tenant, { user: "ann" });
  expect(ofUser[0]).toMatchObject({ subject: { user: "ann" } });
  expect(ofUser.at(-1)).toMatchObject({ counts: { session: 3, run: 3, message: 6, tool_execution: 3, audit: 6 } });
  expect(JSON.stringify(ofUser)).not.toContain("bob");

  const ofSession = await exported(tenant, { session: ann.session });
  expect(ofType(ofSession, "session").map((it) => it["id"])).toEqual([ann.session, nested.session]);
  expect(ofSession.at(-1)).toMatchObject({ counts: { session: 2, run: 2, message: 4, audit: 4 } });
  expect(JSON.stringify(ofSession)).not.toContain(other.session);
  expect(ofSession[0]?.["counts"]).toEqual(ofSession.at(-1)?.["counts"]);
});

test("a reader that is slow is waited for, and little is held for it", async () => {
  const tenant = await aTenant();
  const { session, run } = await aConversation(tenant);
  await tenant.sql(
    `INSERT INTO messages (session_id, seq, run_id, role, content)
     SELECT $1, n, $2, 'user', jsonb_build_array(jsonb_build_object('type', 'text', 'text', repeat(md5(n::text), 3000)))
       FROM generate_series(10, 1000) n`,
    [session, run],
  ); // about 95 MB
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const memory = () => {
    collect(); // what nobody holds any more does not count
    return process.memoryUsage().heapUsed + process.memoryUsage().external;
  };
  const start = memory();
  let peak = 0;
  let under = 0;
  let lines = 0;
  const emit = async () => {
    if (++under > 1) throw new Error("the next line came before this one was taken");
    if (++lines % 50 === 0) {
      await sleep(2);
      peak = Math.max(peak, memory() - start);
    }
    under--;
  };
  await exported(tenant, undefined, { emit });
  expect(lines).toBeGreaterThan(990);
  expect(peak).toBeLessThan(20 << 20);
}, 120_000);

test("a row that is too large for the operator is told of, and the rest comes", async () => {
  const tenant = await aTenant();
  const { session, run } = await aConversation(tenant);
  await tenant.sql(
    `INSERT INTO messages (session_id, seq, run_id, role, content) VALUES
       ($1, 3, $2, 'user', to_jsonb(repeat('x', 33 * 1024 * 1024))), ($1, 4, $2, 'user', '"behind it"')`,
    [session, run],
  );
  const messages = ofType(await exported(tenant), "message");
  expect(messages[2]).toMatchObject({ sessionId: session, seq: "3", omittedBytes: expect.any(Number) as number });
  expect(messages[3]).toMatchObject({ seq: 4, content: "behind it" });
});

test("an export that is given up ends its transaction at once", async () => {
  const tenant = await aTenant();
  for (let i = 0; i < 5; i++) await aConversation(tenant);
  const gone = new AbortController();
  const emit = async () => {
    gone.abort(new Error("the caller is gone"));
  };
  await expect(exported(tenant, undefined, { emit, signal: gone.signal })).rejects.toThrow("the caller is gone");
  const open = await tenant.sql(
    "SELECT FROM pg_stat_activity WHERE usename = $1 AND state LIKE 'idle in transaction%'",
    [tenant.admin.user],
  );
  expect(open).toEqual([]);
});
