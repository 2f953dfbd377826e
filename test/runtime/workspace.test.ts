import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { workspaceSpec } from "../../src/api/workspace.ts";
import { filesTool } from "../../src/runtime/tools/files/tool.ts";
import { Workspace } from "../../src/runtime/tools/workspace/workspace.ts";
import { tinyDisk } from "../support/tiny-disk.ts";
import { World } from "./fixture.ts";

const FILES = { name: "notes", description: "Your notes.", files: { access: "ReadWrite" as const } };
const SHELL = {
  name: "shell",
  description: "Looks at files.",
  commands: { count: { argv: ["wc", "-c", "note.txt"] } },
};
const RULES = [
  {
    match: "remember (\\w+)",
    tool: "notes",
    input: { action: "write", path: "note.txt", content: "$1" },
    answer: "{{result}}",
  },
  { match: "recall", tool: "notes", input: { action: "read", path: "note.txt" }, answer: "{{result}}" },
  { match: "climb", tool: "notes", input: { action: "read", path: "../../../etc/passwd" }, answer: "{{result}}" },
  { match: "count", tool: "shell", input: { action: "count" }, answer: "{{result}}" },
];

let world: World;
let volume: string;
beforeAll(async () => {
  world = await World.create();
  volume = mkdtempSync(join(tmpdir(), "agentpg-workspace-"));
});
afterAll(async () => {
  await world?.close();
  rmSync(volume, { recursive: true, force: true });
});
beforeEach(() => world.fresh({ rules: RULES }));
afterEach(() => world.stopAgents());

const start = () => world.start({ tools: [FILES, SHELL] }, {}, { AGENTPG_WORKSPACE_DIR: volume });
const results = async (session: string): Promise<string[]> =>
  (
    await world.sql<{ output: string }>(
      "SELECT e.output FROM tool_executions e JOIN runs r ON r.id = e.run_id WHERE r.session_id = $1 ORDER BY e.started_at",
      [session],
    )
  ).map(({ output }) => output);

it("a session finds its own files again, with either tool, and no other session does", async () => {
  const { client } = await start();
  const [mine, other] = [await client.createSession(), await client.createSession()];
  for (const question of ["remember tuesday", "recall", "count", "climb"]) await client.ask(mine.id, question);
  await client.ask(other.id, "recall");
  expect(await results(mine.id)).toEqual([
    "written: 7 bytes",
    "tuesday",
    "exit code 0\nstdout:\n7 note.txt\n",
    "path: .. is refused: name what you mean from the workspace's top",
  ]);
  expect(await results(other.id)).toEqual(["note.txt: there is no such file or directory"]);
  expect(readFileSync(join(volume, "sessions", mine.id, "note.txt"), "utf8")).toBe("tuesday");
});

it("the tutorial's question writes its note", async () => {
  await world.fresh();
  const { client } = await start();
  const session = await client.createSession();
  await client.ask(session.id, "Please note: three rye loaves for Ann");
  expect(readFileSync(join(volume, "sessions", session.id, "notes.txt"), "utf8")).toBe("three rye loaves for Ann\n");
});

it("the files of a session that is erased go with it", async () => {
  const { client } = await start();
  const [erased, kept] = [await client.createSession(), await client.createSession()];
  for (const { id } of [erased, kept]) await client.ask(id, "remember tuesday");
  const request = { uid: world.tenant.uid, subject: { session: erased.id }, by: "jane@example.com", waitMs: 1000 };
  await world.operator.lifecycle.erase(request, world.epoch, new AbortController().signal, async () => {});
  await world.stopAgents();
  await start(); // it looks when it starts, and every ten minutes
  await expect.poll(() => existsSync(join(volume, "sessions", erased.id)), { timeout: 10_000 }).toBe(false);
  expect(existsSync(join(volume, "sessions", kept.id))).toBe(true);
});

it("a workspace that is not there is said at the start", async () => {
  await expect(world.start({ tools: [FILES] }, {}, { AGENTPG_WORKSPACE_DIR: join(volume, "gone") })).rejects.toThrow(
    /AGENTPG_WORKSPACE_DIR/,
  );
});

it("a volume that is full is told, and what is there stays whole", async ({ skip }) => {
  const disk = await tinyDisk(1);
  if (!disk) return skip("needs the right to mount");
  try {
    const workspace = new Workspace(disk.path, workspaceSpec.parse({ claimName: "small" }));
    const tool = filesTool({ access: "ReadWrite" }, workspace);
    const call = {
      idempotencyKey: "k",
      runId: "r",
      sessionId: "01890000-0000-7000-8000-000000000000",
      userId: "u",
      variables: null,
    };
    const ask = (input: Record<string, unknown>) =>
      tool.execute({ ...call, input, signal: new AbortController().signal, timeoutMs: 1000 });
    await ask({ action: "write", path: "note", content: "whole" });
    await disk.fill();
    await expect(ask({ action: "write", path: "note", content: "x".repeat(20_000) })).rejects.toThrow(
      "the workspace is full",
    );
    await expect(ask({ action: "append", path: "note", content: "x".repeat(20_000) })).rejects.toThrow(
      "the workspace is full",
    );
    await expect(ask({ action: "mkdir", path: "more" })).resolves.toBeDefined();
    expect(JSON.parse((await ask({ action: "list" })).output).entries).toMatchObject([
      { name: "more" },
      { name: "note" },
    ]);
    expect((await ask({ action: "read", path: "note" })).output).toMatch(/^whole/);
    await disk.empty();
    expect((await ask({ action: "write", path: "note", content: "x".repeat(20_000) })).isError).toBe(false);
  } finally {
    await disk.remove();
  }
});
