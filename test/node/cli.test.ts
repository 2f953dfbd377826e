// The command line as a person uses it, against the demo's cluster: real pods, real port-forwards.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { KubernetesClient } from "../../src/kubernetes/client.ts";
import { loadKubeConfig, type PooledKubeConfig } from "../../src/kubernetes/kube-config.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { anAgent } from "../support/builders.ts";
import { conditionOf, type Conditioned } from "../support/operator-harness.ts";
import { eventually } from "../support/eventually.ts";

const { kubeconfig } = inject("demo");
const program = join(import.meta.dirname, "../../src/cli/main.ts");
const env = { ...process.env, KUBECONFIG: kubeconfig };
let config: PooledKubeConfig;
let client: KubernetesClient;
let folder: string;

beforeAll(async () => {
  config = loadKubeConfig(kubeconfig);
  client = new KubernetesClient(config);
  folder = await mkdtemp(join(tmpdir(), "agentpg-cli-"));
});
afterAll(async () => {
  await config?.close();
  await rm(folder, { recursive: true, force: true });
});

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** The line's words, and behind them one that may have blanks in it. */
function agentpg(line: string, last?: string, whenOut?: (out: string, kill: () => void) => void): Promise<Ended> {
  const words = [...line.split(" "), ...(last === undefined ? [] : [last])];
  const child = spawn(process.execPath, [program, ...words], { cwd: folder, env });
  const ended: Ended = { code: null, out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    ended.out += chunk.toString();
    whenOut?.(ended.out, () => child.kill("SIGINT"));
  });
  child.stderr.on("data", (chunk: Buffer) => (ended.err += chunk.toString()));
  return new Promise((resolve) => child.on("close", (code) => resolve({ ...ended, code })));
}
const SUPPORT = "support -n acme --service-account visitor";
const json = async <T>(line: string): Promise<T> => {
  const { out, err } = await agentpg(`${line} -o json`);
  expect(err).toBe("");
  return JSON.parse(out) as T;
};

describe("a conversation at the terminal", () => {
  let session: string;

  test("streams, shows the tools it calls, and can be continued and looked at", async () => {
    const first = await agentpg(`chat ${SUPPORT} -m`, "Where is order 1042?");
    expect(first, first.err).toMatchObject({ code: 0 });
    expect(first.out).toContain("[calls tool orders] done");
    session = /session ([0-9a-f-]{36})/.exec(first.err)?.[1] ?? "";
    const second = await agentpg(`chat ${SUPPORT} --session ${session} -m`, "What did I ask you first?");
    expect(second.out).toContain("Where is order 1042?");

    const sessions = await json<{ id: string }[]>(`sessions ${SUPPORT}`);
    expect(sessions.map(({ id }) => id)).toContain(session);
    const { out } = await agentpg(`sessions ${SUPPORT.replace("support", `support ${session}`)}`);
    expect(out).toContain("user ▸ Where is order 1042?");
    expect(out).toContain("[calls orders");
  });

  test("its runs are listed, and one is shown as a tree with what it called", async () => {
    const runs = await json<{ id: string; state: string }[]>(`runs ${SUPPORT} --session ${session}`);
    expect(runs.map(({ state }) => state)).toEqual(["completed", "completed"]);
    const { out } = await agentpg(`runs ${SUPPORT} --run ${runs[1]?.id}`);
    expect(out).toMatch(/^support completed [0-9a-f-]{36} \(\d/);
    expect(out).toContain("├ orders done");
  });

  test("Ctrl-C in the middle of an answer cancels the run and leaves the session usable", async () => {
    let interrupted = false;
    const cut = await agentpg(`chat ${SUPPORT} --session ${session} -m`, "REPLY_WORDS 2000", (out, kill) => {
      if (!interrupted && out.length > 20) kill();
      interrupted ||= out.length > 20;
    });
    expect(cut.err).toContain("cancelled");
    const [last] = await json<{ state: string }[]>(`runs ${SUPPORT} --session ${session} --limit 1`);
    expect(last?.state).toBe("cancelled");
    expect(await agentpg(`chat ${SUPPORT} --session ${session} -m Hello`)).toMatchObject({ code: 0 });
  });

  test("another speaker's session is refused, and the message says so", async () => {
    const other = await agentpg(`sessions support ${session} -n acme`);
    expect(other).toMatchObject({ code: 1, out: "" });
    expect(other.err).toContain("HTTP 403");
  });
});

describe("approvals at the terminal", () => {
  const careful = SUPPORT.replace("support", "careful");
  /** The agent's name followed by the call's. */
  const withCall = (call: string | undefined) => careful.replace("careful", `careful ${call}`);
  /** Somebody asks for a note; the call that waits, and the chat that waits for it. */
  async function askForNote() {
    const asked = agentpg(`chat ${careful} -m`, "USE_TOOL 1 notes");
    const [call] = await eventually(
      () => json<{ toolUseId: string; mayDecide: boolean }[]>(`approvals ${careful}`),
      (it) => it.length === 1,
      60,
    );
    return { call: call?.toolUseId, asked };
  }

  beforeAll(async () => {
    const tool = { name: "notes", description: "Notes.", files: { access: "ReadWrite" } };
    const agent = anAgent("acme", "careful", { tools: [tool], approvals: { tools: ["notes"] } });
    await client.apply(AGENT, agent, { fieldManager: "test" });
    await eventually(
      () => client.get<Conditioned>(AGENT, "careful", "acme"),
      (it) => conditionOf(it, "Ready")?.status === "True",
      90,
    );
  });
  afterAll(() => client.delete(AGENT, "careful", "acme"));

  test("a call that waits is listed, approved by its name, and the run goes on", async () => {
    const { call, asked } = await askForNote();
    const wrong = await agentpg(`approve ${withCall("toolu_none")}`);
    expect(wrong.err).toContain(`these do: ${call}`);
    const approved = await agentpg(`approve ${withCall(call)}`);
    expect(approved).toMatchObject({ code: 0 });
    expect(approved.out).toContain("notes of");
    expect(await asked).toMatchObject({ code: 0 });
  });

  test("one that is denied is not made, and why not is in the chat, the transcript and the audit log", async () => {
    const { call, asked } = await askForNote();
    const denied = await agentpg(`deny ${withCall(call)} --reason`, "not on a Friday");
    expect(denied, denied.err).toMatchObject({ code: 0 });
    expect(denied.out).toContain("was denied");
    const { code, out, err } = await asked;
    expect(code, err).toBe(0);
    expect(out).toMatch(/notes was denied by system:serviceaccount:acme:visitor: not on a Friday/);
    expect(out).not.toContain("] done");
    const [, session = ""] = /session ([0-9a-f-]{36})/.exec(err) ?? [];
    const transcript = await agentpg(`sessions ${careful.replace("careful", `careful ${session}`)}`);
    expect(transcript.out).toContain("not on a Friday");
    const exported = await agentpg(`export --tenant acme --session ${session}`);
    const decided = exported.out.split("\n").filter((line) => line.includes("approval.decided"));
    expect(decided).toHaveLength(1);
    expect(decided[0]).toContain("not on a Friday");
  });
});

describe("the cluster at the terminal", () => {
  test("a name that is not there is answered with the nearest", async () => {
    const { code, err } = await agentpg("chat suport -n acme -m x");
    expect(code).toBe(1);
    expect(err).toContain("there is no Agent suport in namespace acme; there is support");
    expect((await agentpg("pause acm")).err).toContain("there is acme");
  });

  test("pause and resume are the Tenant's, and its agents go on", async () => {
    expect(await agentpg("pause acme")).toMatchObject({ code: 0 });
    expect((await client.get<Conditioned>(TENANT, "acme")).spec["paused"]).toBe(true);
    expect(await agentpg(`chat ${SUPPORT} -m Hello`)).toMatchObject({ code: 0 });
    expect(await agentpg("resume acme")).toMatchObject({ code: 0 });
    expect((await client.get<Conditioned>(TENANT, "acme")).spec["paused"]).toBe(false);
  });

  test("logs come from every pod of an agent, and from the operator", async () => {
    const agent = await agentpg("logs support -n acme --tail 500");
    expect(agent.out).toMatch(/^agent-support-\S+ +│ \{/m);
    expect(agent.out).toContain("the agent is up");
    expect((await agentpg("logs --tail 5")).out).toMatch(/^agentpg-\S+ +│ \{/m);
  });

  test("a report has what a helper needs, and neither keys nor prompts", async () => {
    const made = await agentpg("report -o report.tar.gz");
    expect(made, made.err).toMatchObject({ code: 0 });
    const text = gunzipSync(await readFile(join(folder, "report.tar.gz"))).toString();
    for (const part of ["tenants.yaml", "operator/deployments.yaml", "namespaces/acme/events.yaml", "the agent is up"])
      expect(text).toContain(part);
    const password = await client.get<{ data: Record<string, string> }>(
      { apiVersion: "v1", kind: "Secret", plural: "secrets", namespaced: true },
      "agentpg-database",
      "acme",
    );
    expect(text).not.toContain(Buffer.from(password.data["password"] ?? "", "base64").toString());
    expect(text).not.toContain("sk-ant-");
    expect(text).not.toContain("You answer support questions");
  });

  test("a reader that leaves early is no failure", async () => {
    const shell = spawn("sh", ["-c", '"$0" "$1" logs support -n acme | head -n 1', process.execPath, program], { env });
    let err = "";
    shell.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    expect(await new Promise((resolve) => shell.on("close", resolve))).toBe(0);
    expect(err).toBe("");
  });

  test("completion knows commands, and names from the cluster", async () => {
    const { out } = await agentpg("__complete -- chat -n acme su");
    expect(out).toContain("support");
  });
});
