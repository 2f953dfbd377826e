// The console's server: a real API server says who somebody is and what they may see, a real Postgres has what is shown.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { request as secureRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type {
  ConsoleAudit,
  ConsoleMessage,
  ConsoleSessionDetail,
  ConsoleTenant,
  ConsoleTenants,
  ConsoleUsage,
} from "../../src/api/console.ts";
import { TranscriptCipher } from "../../src/database/encryption/cipher.ts";
import { messagePlace } from "../../src/database/encryption/place.ts";
import { SECRET } from "../../src/kubernetes/resource-kind.ts";
import { createAuthority } from "../../src/local-cluster/pki.ts";
import { AGENT } from "../../src/operator/caches.ts";
import { cookieOf, openSession } from "../../src/operator/console/session-cookie.ts";
import { anAgent } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import {
  aConversation,
  aToolCall,
  consoleField,
  type ConsoleField,
  MARKUP,
  someUsage,
  tokenOf,
  userOf,
} from "./field.ts";

let field: ConsoleField;
/** Tokens, by person. */
const people: Record<string, string> = {};

beforeAll(async () => {
  field = await consoleField();
  const all = ["viewer", "transcripts", "approver", "auditor"].map((it) => `agentpg-console-${it}`);
  people["root"] = await field.person("root", all);
  people["viewer"] = await field.person("viewer", ["agentpg-console-viewer"]);
  people["nobody"] = await field.person("nobody", []);
  const only = (resources: string[], verbs: string[]) => ({
    apiGroups: ["agentpg.dev"],
    resources,
    resourceNames: ["acme"],
    verbs,
  });
  people["spender"] = await field.person("spender", [], [only(["tenants", "tenants/usage"], ["get"])]);
  people["lookout"] = await field.person("lookout", [], [only(["tenants", "tenants/approvals"], ["get"])]);
}, 1_800_000);
afterAll(() => field?.stop());

interface Answer {
  status: number;
  body: Record<string, unknown>;
  headers: Headers;
}

async function call(path: string, init: RequestInit & { headers?: Record<string, string> } = {}): Promise<Answer> {
  const response = await fetch(`${field.url}/api${path}`, init);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text ? (JSON.parse(text) as Record<string, unknown>) : {},
  };
}
const as = (person: string, path: string) => call(path, { headers: { authorization: `Bearer ${people[person]}` } });
const json = { "content-type": "application/json" };

/** Signs in as a browser does. Gives the headers of what comes after. */
async function signedIn(token: string): Promise<{ cookie: string; csrf: string; setCookie: string }> {
  const { status, headers } = await call("/login", { method: "POST", headers: json, body: JSON.stringify({ token }) });
  expect(status).toBe(204);
  const setCookie = headers.get("set-cookie") ?? "";
  const cookie = setCookie.split(";")[0] ?? "";
  const me = await call("/me", { headers: { cookie } });
  return { cookie, csrf: String(me.body["csrf"]), setCookie };
}

describe("who is asked for", () => {
  test("without a token nothing is shown, and the answer says how to get one", async () => {
    for (const path of [
      "/me",
      "/tenants",
      "/tenants/acme",
      "/tenants/acme/usage",
      "/tenants/acme/audit",
      "/tenants/none",
    ]) {
      const { status, body } = await call(path);
      expect([path, status]).toEqual([path, 401]);
      expect(body["remedy"]).toContain("kubectl create token");
    }
  });

  test("tokens that are none, or for another audience, are refused", async () => {
    const other = await tokenOf(field.it, "viewer", { audiences: ["agentpg"] });
    for (const token of ["not-a-token", `${people["viewer"]}x`, other]) {
      const { status, body, headers } = await call("/login", {
        method: "POST",
        headers: json,
        body: JSON.stringify({ token }),
      });
      expect(status).toBe(401);
      expect(JSON.stringify(body)).not.toContain(token);
      expect(headers.get("set-cookie")).toBeNull();
    }
  });

  test("a token is exchanged for a cookie that no script reads and that ends with the token", async () => {
    const token = await tokenOf(field.it, "viewer", { expirationSeconds: 600 });
    const { cookie, setCookie } = await signedIn(token);
    for (const word of ["__Host-", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"])
      expect(setCookie).toContain(word);
    expect(Number(/Max-Age=(\d+)/.exec(setCookie)?.[1])).toBeLessThanOrEqual(600);
    expect(Buffer.from(cookie.split("=")[1] ?? "", "base64url").toString("latin1")).not.toContain(token.slice(0, 40));
    const me = await call("/me", { headers: { cookie } });
    expect(me.body).toMatchObject({ user: userOf("viewer"), via: "cookie" });
    const middle = cookie.length - 40;
    const changed = cookie.slice(0, middle) + (cookie[middle] === "A" ? "B" : "A") + cookie.slice(middle + 1);
    for (const wrong of [changed, cookie.slice(0, -30), "__Host-agentpg-console=x"])
      expect((await call("/me", { headers: { cookie: wrong } })).status).toBe(401);
  });

  test("a cookie opens with the key in the Secret, which the operator filled, so any replica opens it, until its time is over", async () => {
    const { data } = await field.it.client.get<{ data?: Record<string, string> }>(
      SECRET,
      "agentpg-console-session",
      "agentpg-system",
    );
    const key = Buffer.from(data?.["session-key"] ?? "", "base64");
    const sealed = cookieOf((await signedIn(people["viewer"] ?? "")).cookie) ?? "";
    expect(openSession(key, sealed)).toEqual({ token: people["viewer"], expires: expect.any(Number) });
    expect(openSession(key, sealed, Date.now() + 61 * 60_000)).toBeUndefined();
    expect(openSession(randomBytes(32), sealed)).toBeUndefined();
  });

  test("a body that is too large, no JSON or of another form says so", async () => {
    const post = (body: string, headers = json) => call("/login", { method: "POST", headers, body });
    expect((await post("{")).body["detail"]).toContain("not JSON");
    expect((await post(JSON.stringify({ tokn: "x" }))).body["detail"]).toContain("tok");
    expect((await post(JSON.stringify({ token: "x".repeat(70_000) }))).status).toBe(413);
    expect((await post("token=x", { "content-type": "application/x-www-form-urlencoded" })).status).toBe(415);
    expect((await post(JSON.stringify({ token: " " }))).body["detail"]).toContain("token: is empty");
  });
});

describe("what may be seen", () => {
  const VIEWS: [string, string][] = [
    ["", "get tenants.agentpg.dev acme"],
    ["/agents", "list agents.agentpg.dev in namespace acme"],
    ["/usage", "get tenants/usage.agentpg.dev acme"],
    ["/spend", "get tenants/usage.agentpg.dev acme"],
    ["/sessions", "get tenants/sessions.agentpg.dev acme"],
    ["/sessions/01890a5d-ac96-774b-bcce-b302099a8057", "get tenants/sessions.agentpg.dev acme"],
    ["/sessions/01890a5d-ac96-774b-bcce-b302099a8057/transcript", "get tenants/transcripts.agentpg.dev acme"],
    ["/runs", "get tenants/sessions.agentpg.dev acme"],
    ["/approvals", "get tenants/approvals.agentpg.dev acme"],
    ["/audit", "get tenants/audit.agentpg.dev acme"],
  ];

  test.each(VIEWS)("who has no rights is refused %s by name of the right", async (path, right) => {
    const { status, body } = await as("nobody", `/tenants/acme${path}`);
    expect(status).toBe(403);
    expect(body["detail"]).toBe(`${userOf("nobody")} may not ${right}`);
  });

  test("who has no rights does not learn whether there is such a tenant", async () => {
    const [there, not] = [await as("nobody", "/tenants/acme/agents"), await as("nobody", "/tenants/none/agents")];
    expect(there.status).toBe(403);
    expect(not.status).toBe(403);
    expect((await as("viewer", "/tenants/none")).status).toBe(404);
  });

  test("who may see the spend of one tenant sees that, and nothing else", async () => {
    await someUsage(field, "acme", 10);
    const list = (await as("spender", "/tenants")).body as unknown as ConsoleTenants;
    expect(list.items.map((it) => it.name)).toEqual(["acme"]);
    const tenant = (await as("spender", "/tenants/acme")).body as unknown as ConsoleTenant;
    expect(tenant.rights).toEqual({
      tenant: true,
      usage: true,
      agents: false,
      sessions: false,
      transcripts: false,
      approvals: false,
      decide: false,
      audit: false,
    });
    const usage = (await as("spender", "/tenants/acme/usage?days=10")).body as unknown as ConsoleUsage;
    expect(usage.byAgent.map((it) => it.key)).toEqual(["researcher", "support"]);
    expect(Number(usage.spent.today.usd)).toBeGreaterThan(1);
    expect(usage.budget.perDay).toEqual({ usd: "5", tokens: null });
    expect((await as("spender", "/tenants/acme/spend")).body).toEqual({ spent: usage.spent, budget: usage.budget });
    for (const path of ["/sessions", "/approvals", "/audit", "/agents", "/runs"])
      expect((await as("spender", `/tenants/acme${path}`)).status).toBe(403);
    expect((await as("spender", "/tenants/globex/usage")).status).toBe(403);
  });

  test("a viewer sees sessions, and not what was said", async () => {
    const { session } = await aConversation(field, "acme", { user: "viewer-test" });
    const page = await as("viewer", "/tenants/acme/sessions?user=viewer-test");
    expect(page.body["items"]).toMatchObject([
      { id: session, agent: "support", runs: 1, state: "completed", usd: "0.01230000" },
    ]);
    expect((await as("viewer", `/tenants/acme/sessions/${session}`)).status).toBe(200);
    expect((await as("viewer", `/tenants/acme/sessions/${session}/transcript`)).status).toBe(403);
    expect(await field.auditOf("acme", "transcript.viewed")).toEqual([]);
    expect((await as("viewer", `/tenants/globex/sessions/${session}`)).status).toBe(404);
  });

  test("a right that is taken away is gone within seconds", async () => {
    const token = await field.person("leaver", ["agentpg-console-viewer"]);
    const look = () => call("/tenants/acme", { headers: { authorization: `Bearer ${token}` } });
    expect((await look()).status).toBe(200);
    await field.it.client.request(
      "DELETE",
      "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/leaver-agentpg-console-viewer",
    );
    await eventually(look, ({ status }) => status === 403, 15);
  });
});

describe("what is shown", () => {
  test("a look at a transcript is a line of the audit log, once for going on to read", async () => {
    const { session } = await aConversation(field, "acme", { user: `ann ${MARKUP}` });
    const path = `/tenants/acme/sessions/${session}/transcript`;
    const first = await as("root", `${path}?limit=1`);
    expect(first.body["items"]).toMatchObject([
      { role: "user", blocks: [{ kind: "text", text: "Where is my order 4711?" }] },
    ]);
    const second = await as("root", `${path}?after=${String(first.body["next"])}`);
    expect(second.body["items"]).toMatchObject([{ role: "assistant" }]);
    expect(await field.auditOf("acme", "transcript.viewed")).toEqual([
      expect.objectContaining({
        by: userOf("root"),
        as: "console",
        session,
        user: `ann ${MARKUP}`,
        agent: "support",
        tenant: "acme",
      }),
    ]);
  });

  test("what cannot be noted is not shown", async () => {
    const { session } = await aConversation(field, "acme");
    await field.sql(
      "acme",
      "ALTER TABLE audit ADD CONSTRAINT full_up CHECK (record NOT LIKE '%transcript.viewed%') NOT VALID",
    );
    const refused = await as("root", `/tenants/acme/sessions/${session}/transcript`);
    await field.sql("acme", "ALTER TABLE audit DROP CONSTRAINT full_up");
    expect(refused.status).toBe(503);
    expect(JSON.stringify(refused.body)).not.toContain("4711");
    expect((await as("root", `/tenants/acme/sessions/${session}/transcript`)).status).toBe(200);
  });

  test("what is too large to show, encrypted or no form of ours is told of, and the rest is shown", async () => {
    const huge = [{ type: "text", text: "x".repeat(200_000) }];
    const { session, run } = await aConversation(field, "acme", {
      said: [
        huge,
        [{ type: "text", text: "short" }],
        [{ type: "tool_result", tool_use_id: "t", content: [{ type: "text", text: "4 orders" }] }],
      ],
    });
    const more = (seq: number, content: string) =>
      field.sql(
        "acme",
        "INSERT INTO messages (session_id, seq, run_id, role, content) VALUES ($1, $2, $3, 'assistant', $4)",
        [session, seq, run, content],
      );
    await more(8, '{"agentpg.dev/enc":"v1","key":7,"data":"AAAA"}');
    await more(9, '"neither blocks nor encrypted"');
    await more(10, "[null, 5]");
    const { body } = await as("root", `/tenants/acme/sessions/${session}/transcript`);
    const [large, short, result, sealed, strange, blocks] = body["items"] as ConsoleMessage[];
    expect(large).toMatchObject({ blocks: [], withheld: expect.stringContaining("agentpg export") });
    expect(short).toMatchObject({ withheld: null, blocks: [{ text: "short" }] });
    expect(result).toMatchObject({ blocks: [{ kind: "tool_result", text: "4 orders" }] });
    expect(sealed).toMatchObject({
      blocks: [],
      withheld: expect.stringContaining("encrypted with data key generation 7"),
    });
    expect(strange).toMatchObject({ blocks: [], withheld: expect.stringContaining("form") });
    expect(blocks).toMatchObject({ blocks: [{ kind: "other" }, { kind: "other", text: "5" }] });
  });

  test("an encrypted transcript is readable where the operator has the keys", async () => {
    await field.it.apply(AGENT, anAgent("acme", "clerk", { dataProtection: { encryptTranscripts: true } }));
    await field.it.condition("Tenant", "acme", "EncryptionReady", "True", "Published", 60);
    const { data } = await field.it.client.get<{ data?: Record<string, string> }>(
      SECRET,
      "agentpg-transcript-keys",
      "acme",
    );
    const key = Buffer.from(data?.["key-1"] ?? "", "base64").toString();
    const schema = String((await field.it.tenant("acme")).status?.["schema"]);
    const cipher = new TranscriptCipher(schema, () => ({ keys: { 1: key }, current: 1 }), true);
    const { session, run } = await aConversation(field, "acme", { agent: "clerk", said: [] });
    const sealed = cipher.writeJson(
      [{ type: "text", text: "under lock and key" }],
      messagePlace(session, run, "user", 1),
    );
    await field.sql(
      "acme",
      "INSERT INTO messages (session_id, seq, run_id, role, content) VALUES ($1, 1, $2, 'user', $3)",
      [session, run, JSON.stringify(sealed)],
    );
    const { body } = await as("root", `/tenants/acme/sessions/${session}/transcript`);
    expect(body["items"]).toMatchObject([{ withheld: null, blocks: [{ kind: "text", text: "under lock and key" }] }]);
  });

  test("a session shows who asked whom, without what was said", async () => {
    const asked = await aConversation(field, "acme", { said: [[{ type: "text", text: "secret words" }]] });
    const child = await aConversation(field, "acme", {
      agent: "researcher",
      user: "agent:support",
      parentRun: asked.run,
    });
    await aToolCall(field, "acme", asked.run, {
      id: "t1",
      name: "researcher",
      childRun: child.run,
      input: { task: "secret words" },
    });
    const { body } = await as("viewer", `/tenants/acme/sessions/${asked.session}`);
    const { runs } = body as unknown as ConsoleSessionDetail;
    expect(runs).toMatchObject([
      {
        id: asked.run,
        tools: [{ name: "researcher", childRun: child.run }],
        children: [{ id: child.run, sessionId: child.session }],
      },
    ]);
    expect(JSON.stringify(body)).not.toContain("secret words");
    const below = await as("viewer", `/tenants/acme/sessions/${child.session}`);
    expect(below.body["parentSession"]).toBe(asked.session);
  });

  test("pages follow each other by the last key, and the query is checked", async () => {
    for (let i = 0; i < 3; i++) await aConversation(field, "globex", { user: "pages" });
    const first = await as("viewer", "/tenants/globex/sessions?user=pages&limit=2");
    expect(first.body["items"]).toHaveLength(2);
    const rest = await as("viewer", `/tenants/globex/sessions?user=pages&limit=2&before=${String(first.body["next"])}`);
    expect(rest.body).toMatchObject({ items: [{ user: "pages" }], next: null });
    for (const [query, field] of [
      ["limit=1000", "limit"],
      ["before=x", "before"],
      ["nothing=1", "nothing"],
    ] as const) {
      const { status, body } = await as("viewer", `/tenants/globex/sessions?${query}`);
      expect(status).toBe(400);
      expect(body["detail"]).toContain(field);
    }
  });

  test("times that no calendar has break no view", async () => {
    const { session } = await aConversation(field, "globex", { user: "timeless", state: "running" });
    await field.sql("globex", "UPDATE sessions SET created_at = 'infinity' WHERE id = $1", [session]);
    await field.sql(
      "globex",
      "UPDATE runs SET created_at = '-infinity', started_at = 'infinity' WHERE session_id = $1",
      [session],
    );
    for (const path of ["/sessions", `/sessions/${session}`, "/runs"])
      expect([path, (await as("viewer", `/tenants/globex${path}`)).status]).toEqual([path, 200]);
    await field.sql("globex", "UPDATE runs SET state = 'completed' WHERE session_id = $1", [session]);
  });

  test("the audit log shows which line was changed", async () => {
    const look = async () => (await as("root", "/tenants/acme/audit")).body as unknown as ConsoleAudit;
    const [newest] = (await look()).items;
    expect(newest).toMatchObject({ action: "transcript.viewed", intact: true });
    await field.sql("acme", "UPDATE audit SET record = replace(record, 'console', 'konsole') WHERE seq = $1", [
      newest?.seq,
    ]);
    expect((await look()).items[0]).toMatchObject({ seq: newest?.seq, intact: false });
    await field.sql("acme", "UPDATE audit SET record = replace(record, 'konsole', 'console') WHERE seq = $1", [
      newest?.seq,
    ]);
    expect((await look()).head.hash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("approvals", () => {
  const waiting = async () => {
    const { run } = await aConversation(field, "acme", { state: "awaiting_approval" });
    await aToolCall(field, "acme", run, {
      id: "toolu_1",
      name: "refund",
      state: "awaiting_approval",
      input: { order: 4711, eur: 20 },
    });
    return { runId: run, toolUseId: "toolu_1" };
  };
  const decide = (headers: Record<string, string>, body: object) =>
    call("/tenants/acme/approvals", { method: "POST", headers: { ...json, ...headers }, body: JSON.stringify(body) });

  test("a decision needs what only our own page knows, and comes from no other site", async () => {
    const call1 = await waiting();
    const { cookie, csrf } = await signedIn(people["root"] ?? "");
    const other = await signedIn(people["viewer"] ?? "");
    const body = { ...call1, approve: true };
    expect((await decide({ cookie }, body)).body["code"]).toBe("csrf");
    expect((await decide({ cookie, "x-agentpg-csrf": other.csrf }, body)).body["code"]).toBe("csrf");
    expect((await decide({ authorization: `Bearer ${people["root"]}` }, body)).body["code"]).toBe("csrf");
    const foreign = { cookie, "x-agentpg-csrf": csrf, origin: "https://evil.example" };
    expect((await decide(foreign, body)).body["code"]).toBe("other-site");
    expect(await field.auditOf("acme", "approval.decided")).toEqual([]);
    expect((await decide({ cookie, "x-agentpg-csrf": csrf, origin: field.url }, body)).status).toBe(200);
  });

  test("who may only look does not decide", async () => {
    const body = { ...(await waiting()), approve: true };
    const { cookie, csrf } = await signedIn(people["lookout"] ?? "");
    const seen = await call("/tenants/acme/approvals", { headers: { cookie } });
    expect(seen.body["items"]).toContainEqual(expect.objectContaining({ runId: body.runId, tool: "refund" }));
    const { status, body: said } = await decide({ cookie, "x-agentpg-csrf": csrf }, body);
    expect([status, said["detail"]]).toEqual([
      403,
      `${userOf("lookout")} may not update tenants/approvals.agentpg.dev acme`,
    ]);
    const [row] = await field.sql("acme", "SELECT state FROM tool_executions WHERE run_id = $1", [body.runId]);
    expect(row).toEqual({ state: "awaiting_approval" });
  });

  test("a decision is written as the runtime writes it, with the console's user in the audit log; the first counts", async () => {
    const one = await waiting();
    const { cookie, csrf } = await signedIn(people["root"] ?? "");
    const headers = { cookie, "x-agentpg-csrf": csrf };
    for (const [reason, approve, why] of [
      ["x".repeat(2001), false, "reason: must have 2000 characters at most"],
      ["go on", true, "reason: is of a denial"],
    ])
      expect((await decide(headers, { ...one, approve, reason })).body["detail"]).toContain(why);
    const denial = { ...one, approve: false };
    expect((await decide(headers, { ...denial, reason: " not on a Friday " })).body).toEqual(denial);
    const [row] = await field.sql(
      "acme",
      "SELECT state, approval_by, is_error, output FROM tool_executions WHERE run_id = $1",
      [one.runId],
    );
    expect(row).toEqual({
      state: "failed",
      approval_by: userOf("root"),
      is_error: true,
      output: "A person denied this call: not on a Friday. It was not made.",
    });
    expect((await field.auditOf("acme", "approval.decided")).at(-1)).toMatchObject({
      run: one.runId,
      toolUse: "toolu_1",
      by: userOf("root"),
      as: "console",
      success: false,
      tenant: "acme",
      agent: "support",
      input: { reason: "not on a Friday" },
    });
    expect((await decide(headers, { ...one, approve: true })).body["code"]).toBe("decided-otherwise");
    expect((await decide(headers, { ...one, toolUseId: "toolu_2", approve: true })).status).toBe(404);
    expect((await decide(headers, { ...one, approve: "yes" })).body["detail"]).toContain(
      "approve: must be true or false",
    );
  });

  test("a reason is not taken for an agent with rules for personal data, which are its pods' to apply", async () => {
    await field.it.apply(AGENT, anAgent("acme", "careful", { dataProtection: { pii: "Block" } }));
    const { run } = await aConversation(field, "acme", { agent: "careful", state: "awaiting_approval" });
    await aToolCall(field, "acme", run, { id: "toolu_1", name: "refund", state: "awaiting_approval" });
    const { cookie, csrf } = await signedIn(people["root"] ?? "");
    const headers = { cookie, "x-agentpg-csrf": csrf };
    const denial = { runId: run, toolUseId: "toolu_1", approve: false };
    await eventually(
      () => call("/tenants/acme/agents", { headers }),
      ({ body }) => JSON.stringify(body).includes("careful"),
    );
    const { body: seen } = await call("/tenants/acme/approvals", { headers });
    expect(seen["items"]).toContainEqual(expect.objectContaining({ runId: run, takesReason: false }));
    const { status, body: said } = await decide(headers, { ...denial, reason: "call ann@example.com" });
    expect([status, said["code"]]).toEqual([422, "reason-not-taken"]);
    expect((await decide(headers, denial)).status).toBe(200);
  });
});

describe("the server", () => {
  test("says to browsers what they may do with it, on every answer", async () => {
    const page = await fetch(`${field.url}/tenants/acme/usage?days=90`);
    expect(page.status).toBe(200);
    expect(await page.text()).not.toMatch(/<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=/);
    const data = await as("viewer", "/tenants");
    expect(data.headers.get("cache-control")).toBe("no-store");
    const refused = await call("/tenants");
    for (const { headers } of [page, data, refused, await fetch(`${field.url}/assets/none.js`)]) {
      const policy = headers.get("content-security-policy") ?? "";
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain("unsafe");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
    }
  });

  test("gives no file but the page's own", async () => {
    for (const path of [
      "/assets/../index.html",
      "/assets/..%2f..%2fetc%2fpasswd",
      "/assets/%2e%2e/server.ts",
      "/api/..%2f..%2f",
    ]) {
      const status = await new Promise<string>((resolve, reject) => {
        const sent = request({ host: "127.0.0.1", port: field.operator.consolePort, path }, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          response.on("end", () => resolve(text));
        });
        sent.on("error", reject).end();
      });
      expect(status).not.toMatch(/root:|import /);
    }
    expect(
      (await call("/tenants/%E0%A4%A/usage", { headers: { authorization: `Bearer ${people["viewer"]}` } })).status,
    ).toBe(400);
    expect(
      (await call("/tenants", { method: "POST", headers: { authorization: `Bearer ${people["viewer"]}` } })).status,
    ).toBe(405);
  });

  test("of a replica that does not lead shows and decides the same, to whom the other one signed in, over TLS", async () => {
    const folder = await mkdtemp(join(tmpdir(), "agentpg-console-tls-"));
    const authority = await createAuthority("authority");
    const { certificate, key } = await authority.issue({ user: "console", addresses: ["127.0.0.1"] });
    await writeFile(join(folder, "tls.crt"), certificate);
    await writeFile(join(folder, "tls.key"), key);
    const replica = await field.replica({ tlsDir: folder });
    const { cookie, csrf } = await signedIn(people["root"] ?? "");
    const ask = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
      const headers = { ...json, cookie, "x-agentpg-csrf": csrf };
      const to = { host: "127.0.0.1", port: replica.consolePort, ca: authority.certificate, method, headers };
      const sent = secureRequest({ ...to, path: `/api${path}` }).end(body && JSON.stringify(body));
      const [response] = (await once(sent, "response")) as [IncomingMessage];
      return JSON.parse(await readAll(response)) as Record<string, unknown>;
    };
    const { run, session } = await aConversation(field, "acme", { state: "awaiting_approval" });
    await aToolCall(field, "acme", run, { id: "toolu_1", name: "refund", state: "awaiting_approval" });
    const tenants = await eventually(
      () => ask("GET", "/tenants"),
      (it) => (it as unknown as ConsoleTenants).items?.length === 2,
    );
    expect((tenants as unknown as ConsoleTenants).items[0]).toMatchObject({ name: "acme", ready: "True" });
    expect(await ask("GET", `/tenants/acme/sessions/${session}/transcript`)).toMatchObject({
      items: [{ role: "user" }, { role: "assistant" }],
    });
    const denial = { runId: run, toolUseId: "toolu_1", approve: false };
    expect(await ask("POST", "/tenants/acme/approvals", denial)).toEqual(denial);
    expect((await field.auditOf("acme", "approval.decided")).at(-1)).toMatchObject({ run, by: userOf("root") });
    expect(replica.leading()).toBe(false);
    expect(field.operator.leading()).toBe(true);
    await rm(folder, { recursive: true });
  });

  test("logs no token, and nothing of what was said", () => {
    const log = field.it.log.join("");
    for (const token of Object.values(people)) expect(log).not.toContain(token.slice(-40));
    expect(log).not.toContain("4711");
  });

  // The last one: from here on this address is refused for a minute.
  test("who comes with wrong tokens again and again has to wait", async () => {
    const attempt = () =>
      call("/login", { method: "POST", headers: json, body: JSON.stringify({ token: "wrong-token-again" }) });
    const seen = [];
    for (let i = 0; i < 12; i++) seen.push(await attempt());
    expect(seen.at(-1)?.status).toBe(429);
    expect(Number(seen.at(-1)?.headers.get("retry-after"))).toBeGreaterThan(0);
  });
});
