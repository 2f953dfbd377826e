import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { workspaceSpec } from "../../../api/workspace.ts";
import { executeTool } from "../execute.ts";
import { createTools } from "../registry.ts";
import type { LocalTool } from "../tool.ts";
import { Workspace } from "../workspace/workspace.ts";
import { MAX_WRITE_BYTES } from "./input.ts";

const ALICE = "01890000-0000-7000-8000-00000000000a";
const BOB = "01890000-0000-7000-8000-00000000000b";
const SECRET = "SECRET-OUTSIDE";

let base: string;
let home: string;
let outside: string;
let plain: ReturnType<typeof toolOf>;

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "agentpg-files-"));
  mkdirSync(join(base, "volume"));
  plain = toolOf();
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** A workspace with Alice's directory in it, and beside it what nobody may reach. */
beforeEach(() => {
  for (const name of readdirSync(base)) rmSync(join(base, name), { recursive: true, force: true });
  home = join(base, "volume", "sessions", ALICE);
  outside = join(base, "outside");
  mkdirSync(join(home, "notes"), { recursive: true });
  mkdirSync(join(base, "volume", "sessions", BOB));
  mkdirSync(outside);
  writeFileSync(join(outside, "secret"), SECRET);
  writeFileSync(join(base, "volume", "sessions", BOB, "secret"), SECRET);
  writeFileSync(join(home, "notes", "a.txt"), "alpha");
  writeFileSync(join(home, "top.txt"), "top");
});

function toolOf(access = "ReadWrite", workspace: object = {}) {
  const tools = createTools(
    [{ name: "notes", description: "d", idempotent: false, maxAttempts: 1, files: { access: access as "ReadOnly" } }],
    {
      db: () => {
        throw new Error("no database");
      },
      defaultTimeoutSeconds: 5,
      workspace: new Workspace(join(base, "volume"), workspaceSpec.parse(workspace)),
    },
  );
  return tools.get("notes") as NonNullable<ReturnType<typeof tools.get>> & { body: LocalTool };
}

const callOf = (input: object, sessionId: string) => ({
  input: input as Record<string, unknown>,
  idempotencyKey: "k",
  runId: "r",
  sessionId,
  userId: "alice",
  variables: null,
});

/** As the engine does it: what does not fit the schema goes back, the rest is run. */
async function ask(
  input: object,
  { tool = plain, sessionId = ALICE } = {},
): Promise<{ output: string; isError: boolean }> {
  const wrong = tool.check(input);
  if (wrong) return { output: wrong, isError: true };
  return executeTool(tool, callOf(input, sessionId), new AbortController().signal);
}

const untouched = (): void => {
  expect(readdirSync(outside)).toEqual(["secret"]);
  expect(readFileSync(join(outside, "secret"), "utf8")).toBe(SECRET);
  expect(readdirSync(join(base, "volume", "sessions", BOB))).toEqual(["secret"]);
  expect(readFileSync(join(base, "volume", "sessions", BOB, "secret"), "utf8")).toBe(SECRET);
  expect(readdirSync(base).sort()).toEqual(["outside", "volume"]);
};

const long = (length: number, character = "n") => character.repeat(length);

describe("files are kept inside the workspace: a path", () => {
  const above = [
    "..",
    "../",
    "./..",
    "../..",
    "../../../../../../../../etc/passwd",
    "notes/..",
    "notes/../..",
    "notes/../../x",
    "notes/./../top.txt",
    "notes//..//top.txt",
    "./../outside/secret",
    `../${BOB}/secret`,
    `notes/../../${BOB}/secret`,
    "../../outside/secret",
    "../../../outside/secret",
    "x/../../../../outside/secret",
  ];
  const absolute = [
    "/",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/environ",
    "/etc/agentpg/anthropic/api-key",
    "/dev/null",
    "/../etc",
  ];
  const illFormed = [
    ["a NUL", "top.txt\0"],
    ["a NUL before a way out", "notes\0/../../secret"],
    ["a NUL in the middle", "to\0p.txt"],
    ["a line's end", "notes\n/a.txt"],
    ["a carriage return", "top.txt\r"],
    ["a tab", "to\tp"],
    ["an escape", "\x1b[2Jtop.txt"],
    ["a DEL", "top\x7f"],
    ["half a surrogate pair", "top\ud800"],
    ["the other half", "\udc00top"],
    ["a name of 256 bytes", long(256)],
    ["a name of 86 characters of 3 bytes", long(86, "€")],
    ["a path of more than 4096 bytes", `${long(250)}/`.repeat(17)],
    ["33 directories", "d/".repeat(33)],
    ["a name that looks like a deleted one", "x (deleted)"],
    ["a name that the workspace keeps for itself", ".agentpg-draft-1"],
  ] as const;
  const literal = [
    "%2e%2e/secret",
    "%2e%2e%2fsecret",
    "..%2fsecret",
    "..%00",
    "..\\secret",
    "..\\..\\outside\\secret",
    "C:\\secret",
    "~",
    "~/secret",
    "~root/secret",
    "$HOME/secret",
    "${HOME}",
    "`id`",
    "...",
    ".. ",
    " ..",
    "..;/secret",
    "．．/secret", // full-width full stops
    "‥/secret", // a two-dot leader
    "..∕secret", // a division slash
    "..⁄secret",
    "file:///etc/passwd",
    "notes;top.txt",
    "*",
    "?",
    "\u202etxt.pot",
    "\u200b",
    "-rf",
    "con",
  ];

  it.each(above)("%j does not go up", async (path) => {
    for (const action of ["read", "list", "stat", "delete"]) {
      const { output, isError } = await ask({ action, path });
      expect({ output, isError }).toEqual({ output: expect.stringContaining(".. is refused"), isError: true });
    }
    expect(await ask({ action: "write", path, content: "x" })).toMatchObject({ isError: true });
    expect(await ask({ action: "mkdir", path })).toMatchObject({ isError: true });
    untouched();
  });

  it.each(absolute)("%j does not begin at the root", async (path) => {
    for (const action of ["read", "list", "delete"])
      expect(await ask({ action, path })).toMatchObject({ isError: true, output: expect.stringContaining("relative") });
    expect(await ask({ action: "write", path, content: "x" })).toMatchObject({ isError: true });
    untouched();
  });

  it.each(illFormed)("with %s is refused", async (_what, path) => {
    for (const action of ["read", "list", "delete", "mkdir"])
      expect(await ask({ action, path })).toMatchObject({ isError: true, output: expect.stringMatching(/^path: /) });
    expect(await ask({ action: "write", path, content: "x" })).toMatchObject({ isError: true });
    untouched();
  });

  it.each(literal)("%j is a name like any other, inside", async (path) => {
    expect(await ask({ action: "read", path })).toMatchObject({
      isError: true,
      output: expect.stringContaining("no such"),
    });
    expect(await ask({ action: "write", path, content: "mine" })).toMatchObject({ isError: false });
    expect(await ask({ action: "read", path })).toMatchObject({ output: "mine", isError: false });
    expect(readFileSync(join(home, path), "utf8")).toBe("mine");
    untouched();
  });

  it.each([
    ["composed and decomposed", "caf\u00e9", "cafe\u0301"],
    ["upper and lower case", "Note", "note"],
    ["the Kelvin sign and K", "\u212a", "K"],
  ])("is not folded: %s are two files", async (_what, one, other) => {
    await ask({ action: "write", path: one, content: "1" });
    await ask({ action: "write", path: other, content: "2" });
    expect((await ask({ action: "read", path: one })).output).toBe("1");
    expect((await ask({ action: "read", path: other })).output).toBe("2");
  });

  it.each([[long(255)], [long(85, "€")], ["日本語/ファイル.txt"], ["d/".repeat(31) + "f"], ["./notes//b.txt"]])(
    "may be as long, deep and foreign as the system takes it: %#",
    async (path) => {
      expect(await ask({ action: "write", path, content: "ok" })).toMatchObject({ isError: false });
      expect((await ask({ action: "read", path })).output).toBe("ok");
    },
  );
});

describe("what is not a plain file or directory is refused", () => {
  const actions = [
    { action: "read" },
    { action: "write", content: "x" },
    { action: "append", content: "x" },
    { action: "stat" },
    { action: "list" },
  ];
  const links: [string, () => string][] = [
    ["a link to a file outside", () => join(outside, "secret")],
    ["a relative link to a file outside", () => "../../../outside/secret"],
    ["a link to another session's file", () => `../${BOB}/secret`],
    ["a link to a directory outside", () => outside],
    ["a link to the root", () => "/"],
    ["a link to nothing outside", () => join(outside, "new")],
    ["a link to itself", () => "odd"],
    ["a link to a file inside", () => "top.txt"],
    ["a link to a directory inside", () => "notes"],
    ["a link to the process's own files", () => "/proc/self/root/etc/passwd"],
    ["a link to what the process has open", () => "/proc/self/fd/1"],
    ["a link to a device", () => "/dev/zero"],
  ];

  it.each(links)("%s", async (_what, target) => {
    symlinkSync(target(), join(home, "odd"));
    for (const it of actions)
      expect(await ask({ ...it, path: "odd" })).toMatchObject({
        isError: true,
        output: expect.stringContaining("link"),
      });
    for (const it of actions)
      expect(await ask({ ...it, path: "odd/secret" })).toMatchObject({
        isError: true,
        output: expect.stringContaining("link"),
      });
    expect(await ask({ action: "delete", path: "odd/secret" })).toMatchObject({ isError: true });
    expect(readFileSync(join(home, "top.txt"), "utf8")).toBe("top");
    untouched();
  });

  it("a session's directory that is a link", async () => {
    rmSync(home, { recursive: true });
    symlinkSync(outside, home);
    expect(await ask({ action: "read", path: "secret" })).toMatchObject({
      isError: true,
      output: expect.stringContaining("link"),
    });
    expect(await ask({ action: "write", path: "x", content: "x" })).toMatchObject({ isError: true });
    rmSync(home);
    untouched();
  });

  it("a hard link to a file outside", async () => {
    linkSync(join(outside, "secret"), join(home, "odd"));
    for (const it of actions.slice(0, 4))
      expect(await ask({ ...it, path: "odd" })).toMatchObject({
        isError: true,
        output: expect.stringContaining("hard link"),
      });
    untouched();
  });

  const special = (make: (path: string) => void) => async () => {
    make(join(home, "odd"));
    for (const it of actions) {
      const started = performance.now();
      expect(await ask({ ...it, path: "odd" })).toMatchObject({ isError: true });
      expect(performance.now() - started).toBeLessThan(5000); // opened, a pipe would wait for its other end
    }
    expect((await ask({ action: "list" })).output).toContain('"special"');
  };
  const mknod =
    (...args: string[]) =>
    (path: string) =>
      execFileSync("mknod", [path, ...args]);
  it("a pipe", special(mknod("p")));
  it.runIf(process.getuid?.() === 0)("the null device", special(mknod("c", "1", "3")));
  it.runIf(process.getuid?.() === 0)("a device without end", special(mknod("c", "1", "5")));
  it.runIf(process.getuid?.() === 0)("a disk", special(mknod("b", "7", "0")));
  it("a socket", async () => {
    const server = createServer().listen(join(home, "s"));
    await once(server, "listening");
    try {
      expect(await ask({ action: "read", path: "s" })).toMatchObject({
        isError: true,
        output: expect.stringContaining("socket"),
      });
      expect(await ask({ action: "write", path: "s", content: "x" })).toMatchObject({ isError: true });
    } finally {
      server.close();
    }
  });
});

describe("a race", () => {
  /** Swaps names of the workspace as fast as it can, each for a link to what is outside. */
  const SWAPPER = `
    const fs = require("node:fs"), [home, outside] = process.argv.slice(1);
    process.chdir(home);
    fs.mkdirSync("dir"); fs.writeFileSync("dir/secret", "inside"); fs.writeFileSync("secret", "inside");
    console.log("ready");
    for (;;) {
      try {
        fs.renameSync("dir", "kept"); fs.symlinkSync(outside, "dir");
        fs.symlinkSync(outside + "/secret", "link"); fs.renameSync("link", "secret");
        fs.unlinkSync("dir"); fs.renameSync("kept", "dir");
        fs.linkSync(outside + "/secret", "hard"); fs.renameSync("hard", "secret"); fs.rmSync("hard", { force: true });
        fs.writeFileSync("plain", "inside"); fs.renameSync("plain", "secret");
        fs.rmSync("dir/new", { force: true });
      } catch {}
    }`;

  it("with a process that swaps files and directories for links leads nowhere else", async () => {
    const swapper = spawn(process.execPath, ["-e", SWAPPER, home, outside], { stdio: ["ignore", "pipe", "inherit"] });
    const outcomes = { inside: 0, refused: 0 };
    try {
      await once(swapper.stdout, "data");
      const started = performance.now();
      const passed = () => performance.now() - started;
      const seenBoth = () => Math.min(outcomes.inside, outcomes.refused) > 10;
      while (passed() < 1000 || (!seenBoth() && passed() < 25_000)) {
        const all = await Promise.all([
          ask({ action: "read", path: "dir/secret" }),
          ask({ action: "read", path: "secret" }),
          ask({ action: "list", path: "dir" }),
          ask({ action: "write", path: "dir/new", content: "x" }),
          ask({ action: "write", path: "secret", content: "inside" }),
          ask({ action: "append", path: "secret", content: "!" }),
          ask({ action: "mkdir", path: "dir/made" }),
          ask({ action: "delete", path: "dir/made" }),
        ]);
        for (const { output, isError } of all) {
          expect(output).not.toContain(SECRET);
          outcomes[isError ? "refused" : "inside"]++;
        }
      }
    } finally {
      swapper.kill("SIGKILL");
      await once(swapper, "exit");
    }
    expect(outcomes.inside).toBeGreaterThan(10);
    expect(outcomes.refused).toBeGreaterThan(10);
    rmSync(home, { recursive: true });
    untouched();
  });

  it("of appends loses none of them", async () => {
    await Promise.all(Array.from({ length: 50 }, (_, i) => ask({ action: "append", path: "log", content: `${i}\n` })));
    const lines = readFileSync(join(home, "log"), "utf8").trim().split("\n").map(Number);
    expect(lines.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it("of writers and readers shows whole files only", async () => {
    const texts = ["a".repeat(200_000), "b".repeat(200_000)];
    await ask({ action: "write", path: "f", content: texts[0] });
    const writes = Promise.all(
      Array.from({ length: 20 }, (_, i) => ask({ action: "write", path: "f", content: texts[i % 2] })),
    );
    for (let i = 0; i < 20; i++)
      expect(texts).toContain((await ask({ action: "read", path: "f", limit: 262_144 })).output);
    await writes;
    expect(readdirSync(home).sort()).toEqual(["f", "notes", "top.txt"]); // no drafts stay
  });
});

describe("the files tool", () => {
  it("lists, reads, writes, appends, makes and deletes", async () => {
    expect((await ask({ action: "write", path: "new/deep/b.txt", content: "b" })).output).toBe("written: 1 bytes");
    expect((await ask({ action: "append", path: "new/deep/b.txt", content: "ü" })).output).toBe(
      "appended: 2 bytes, 3 in all",
    );
    expect((await ask({ action: "read", path: "new/deep/b.txt" })).output).toBe("bü");
    expect((await ask({ action: "write", path: "new/deep/b.txt", content: "" })).output).toBe("replaced: 0 bytes");
    expect((await ask({ action: "read", path: "new/deep/b.txt" })).output).toBe("");
    expect(JSON.parse((await ask({ action: "list" })).output).entries).toMatchObject([
      { name: "new", type: "directory" },
      { name: "notes", type: "directory" },
      { name: "top.txt", type: "file", size: 3 },
    ]);
    expect((await ask({ action: "mkdir", path: "empty" })).isError).toBe(false);
    expect(await ask({ action: "mkdir", path: "empty" })).toMatchObject({
      isError: true,
      output: "empty: it exists already",
    });
    expect((await ask({ action: "delete", path: "new" })).output).toBe("new: the directory is not empty");
    expect((await ask({ action: "delete", path: "new/deep/b.txt" })).output).toBe("deleted");
    expect((await ask({ action: "delete", path: "empty" })).output).toBe("deleted");
    expect(existsSync(join(home, "empty"))).toBe(false);
  });

  it("only reads unless it may write", async () => {
    const tool = toolOf("ReadOnly");
    expect((await ask({ action: "read", path: "notes/a.txt" }, { tool })).output).toBe("alpha");
    for (const action of ["write", "append", "mkdir", "delete"]) {
      const input = { action, path: "notes/a.txt" };
      expect(tool.check(input)).toContain("allowed values: list, read, stat");
      const past = await executeTool(tool, callOf({ ...input, content: "x" }, ALICE), new AbortController().signal);
      expect(past).toMatchObject({ isError: true, output: expect.stringContaining("only be read") });
    }
    expect(readFileSync(join(home, "notes", "a.txt"), "utf8")).toBe("alpha");
  });

  it("gives each session its own files, or all the same when told so", async () => {
    await ask({ action: "write", path: "mine", content: "of Alice" });
    expect(await ask({ action: "read", path: "mine" }, { sessionId: BOB })).toMatchObject({ isError: true });
    const tool = toolOf("ReadWrite", { scope: "Agent" });
    await ask({ action: "write", path: "ours", content: "of all" }, { tool });
    expect((await ask({ action: "read", path: "ours" }, { tool, sessionId: BOB })).output).toBe("of all");
    expect(await ask({ action: "read", path: "mine" }, { tool })).toMatchObject({ isError: true });
  });

  it.each(["..", "../../outside", "/", "", "a", `${ALICE}/../${BOB}`])(
    "never takes %j for a session",
    async (sessionId) => {
      expect(await ask({ action: "read", path: "secret" }, { sessionId })).toMatchObject({
        isError: true,
        output: "the tool failed",
      });
    },
  );

  it("reads a part of a file, in whole characters, and tells how to go on", async () => {
    writeFileSync(join(home, "long"), "€".repeat(100_000));
    const parts: string[] = [];
    let offset: number | undefined = 0;
    while (offset !== undefined) {
      const { output } = await ask({ action: "read", path: "long", offset, limit: 100_001 });
      const [text = "", note = ""] = output.split("\n");
      parts.push(text);
      const next = /go on with offset (\d+)/.exec(note)?.[1];
      offset = next === undefined ? undefined : Number(next);
    }
    expect(parts.join("")).toBe("€".repeat(100_000));
    expect(parts.length).toBe(4);
    expect(await ask({ action: "read", path: "long", offset: 300_001 })).toMatchObject({ isError: true });
    writeFileSync(join(home, "long"), "🙂🙂");
    expect((await ask({ action: "read", path: "long", limit: 1 })).output).toBe(
      "🙂\n[bytes 0 to 4 of 8; go on with offset 4]",
    );
    expect((await ask({ action: "read", path: "long", offset: 1 })).output).toBe("🙂\n[bytes 4 to 8 of 8]");
  });

  it("says that a file is binary rather than mangle it, and gives base64 when asked", async () => {
    const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255, 254]);
    await ask({ action: "write", path: "image", content: bytes.toString("base64"), encoding: "base64" });
    expect(readFileSync(join(home, "image"))).toEqual(bytes);
    expect(await ask({ action: "read", path: "image" })).toMatchObject({
      isError: true,
      output: expect.stringContaining("binary (7 bytes)"),
    });
    expect((await ask({ action: "read", path: "image", encoding: "base64" })).output).toBe(bytes.toString("base64"));
  });

  it.each([
    ["content that is missing", { content: undefined }, "content is missing"],
    ["content that is too long", { content: "x".repeat(MAX_WRITE_BYTES + 1) }, "append the rest"],
    ["content that is not base64", { content: "a b!", encoding: "base64" }, "not base64"],
    ["half a surrogate pair", { content: "\ud800" }, "well-formed"],
    ["a file as a directory", { path: "top.txt/x", content: "x" }, "not a directory"],
    ["a directory as a file", { path: "notes", content: "x" }, "directory"],
    ["the workspace itself", { path: "", content: "x" }, "name what to write"],
  ])("refuses %s", async (_what, more, says) => {
    const outcome = await ask({ action: "write", path: "f", ...more });
    expect(outcome).toMatchObject({ isError: true, output: expect.stringContaining(says) });
    expect(outcome.output).not.toContain(base);
    expect(readdirSync(home).sort()).toEqual(["notes", "top.txt"]);
  });

  it("says when the workspace is full, and again takes what fits once room is made", async () => {
    const tool = toolOf("ReadWrite", { size: "256Ki" });
    const write = (path: string) => ask({ action: "write", path, content: "x".repeat(100_000) }, { tool });
    expect((await write("1")).isError).toBe(false);
    expect((await write("2")).isError).toBe(false);
    expect(await write("3")).toMatchObject({ isError: true, output: expect.stringContaining("the workspace is full") });
    await ask({ action: "delete", path: "1" }, { tool });
    expect((await write("3")).isError).toBe(false);
  });

  it("lists what has no name in UTF-8 as a number, and hides its own drafts", async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${home}/bad`), Buffer.from([0xff])]), "x");
    writeFileSync(join(home, ".agentpg-draft-1"), "x");
    expect(JSON.parse((await ask({ action: "list" })).output)).toMatchObject({
      notUtf8: 1,
      entries: [{ name: "notes" }, { name: "top.txt" }],
    });
    expect(JSON.parse((await ask({ action: "list", limit: 1 })).output)).toMatchObject({ nextOffset: 1, total: 2 });
  });
});
