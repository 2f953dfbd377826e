import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  existsSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { commandsTool as commandsSpec } from "../../../api/command.ts";
import { workspaceSpec } from "../../../api/workspace.ts";
import { ConfigError } from "../../config.ts";
import { executeTool } from "../execute.ts";
import { createTools, type Tool } from "../registry.ts";
import type { LocalTool } from "../tool.ts";
import { Workspace } from "../workspace/workspace.ts";

const ALICE = "01890000-0000-7000-8000-00000000000a";
let base: string;
let home: string;

const SCRIPTS = {
  show: `for it; do printf '[%s]' "$it"; done`,
  fail: "echo partly; echo wrong >&2; exit 3",
  stubborn: `trap '' TERM; echo $$ >> pids; (trap '' TERM; echo $(exec sh -c 'echo $PPID') >> pids; sleep 60) & sleep 60; sleep 60`,
  leaver: `sleep 60 & echo $! >> left; echo done`,
  flood: "yes",
  complain: "yes >&2",
  binary: `printf 'a\\000b'`,
  latin: `printf 'caf\\351'`,
  slow: "echo x >> started; sleep 0.2; echo x >> finished",
  suicide: "kill -9 $$",
};

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "agentpg-commands-"));
  home = join(base, "volume", "sessions", ALICE);
  mkdirSync(join(home, "data"), { recursive: true });
  mkdirSync(join(base, "bin"));
  for (const [name, script] of Object.entries(SCRIPTS))
    writeFileSync(join(base, "bin", name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  writeFileSync(join(base, "secret"), "SECRET");
  writeFileSync(join(home, "data", "a.txt"), "alpha");
  symlinkSync(base, join(home, "out"));
  linkSync(join(base, "secret"), join(home, "hard"));
  plain = show();
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

const script = (name: keyof typeof SCRIPTS): string => join(base, "bin", name);

type RunnableTool = Tool & { body: LocalTool };

function toolOf(commands: z.input<typeof commandsSpec>): RunnableTool {
  const workspace = new Workspace(join(base, "volume"), workspaceSpec.parse({}));
  const spec = {
    name: "shell",
    description: "d",
    idempotent: false,
    maxAttempts: 1,
    commands: commandsSpec.parse(commands),
  };
  const db = () => {
    throw new Error("no database");
  };
  return createTools([spec], { db, defaultTimeoutSeconds: 20, workspace }).get("shell") as RunnableTool;
}

async function ask(tool: RunnableTool, input: object, signal = new AbortController().signal) {
  const wrong = tool.check(input);
  if (wrong) return { output: wrong, isError: true };
  const call = {
    input: input as Record<string, unknown>,
    idempotencyKey: "k",
    runId: "r",
    sessionId: ALICE,
    userId: "alice",
    variables: null,
  };
  return executeTool(tool, call, signal);
}

const ANYTHING = "[\\s\\S]*";
const show = (argument: object = { pattern: ANYTHING }, argv = ["{value}"]) =>
  toolOf({ show: { argv: [script("show"), ...argv], arguments: { value: argument } } });
let plain: RunnableTool;
const shown = (tool: RunnableTool, value: unknown) => ask(tool, { action: "show", arguments: { value } });

describe("a value that its pattern would let through is refused all the same:", () => {
  it.each([
    ["an option", "-rf"],
    ["a long option", "--help"],
    ["an option with a value", "--checkpoint-action=exec=id"],
    ["an option of ssh", "-oProxyCommand=id"],
    ["a dash", "-"],
    ["the end of options", "--"],
    ["the root", "/"],
    ["an absolute path", "/etc/passwd"],
    ["the process's own files", "/proc/self/environ"],
    ["two slashes", "//etc/passwd"],
    ["a home", "~"],
    ["root's home", "~root/x"],
    ["the directory above", ".."],
    ["a path above", "../secret"],
    ["a path that goes down first", "data/../../secret"],
    ["a path that ends above", "data/.."],
    ["a path with dots and slashes", "./.././secret"],
    ["a NUL", "a\0b"],
    ["a NUL at the end", "a\0"],
    ["a line's end", "a\nb"],
    ["a line's end at the end", "a\n"],
    ["a carriage return", "a\rb"],
    ["a tab", "a\tb"],
    ["an escape", "\x1b]0;x\x07"],
    ["a DEL", "\x7f"],
    ["a C1 control", "a\x9bb"],
    ["half a surrogate pair", "\ud800"],
    ["257 characters", "x".repeat(257)],
    ["a megabyte", "x".repeat(1_000_000)],
    ["a link's target", "out/secret"],
    ["a link", "out"],
    ["a hard link", "hard"],
    ["a path through a link", "./out/./volume"],
  ])("%s", async (_what, value) => {
    const { output, isError } = await shown(plain, value);
    expect({ output, isError }).toEqual({ output: expect.any(String), isError: true });
    expect(output).not.toContain("[");
    expect(output).not.toContain("SECRET");
  });

  it.each([[1], [true], [null], [["a"]], [{ a: 1 }]])("no string: %j", async (value) => {
    expect(await shown(plain, value)).toMatchObject({ isError: true, output: expect.stringContaining("string") });
  });
});

describe("a value is one argument, and nothing in it means anything:", () => {
  it.each([
    "*",
    "?",
    "data/*",
    "[a-z]*",
    "{a,b}",
    "$HOME",
    "${PATH}",
    "$(id)",
    "`id`",
    "; id",
    "a;id",
    "| id",
    "|| id",
    "& id",
    "&& id",
    "> file",
    "< file",
    "2>&1",
    "two words",
    " x",
    '"',
    "'",
    "'; id; '",
    "\\",
    "\\n",
    "\\x00",
    "!!",
    "#",
    "%s%n",
    "$IFS",
    "a=b",
    "LD_PRELOAD=x",
    "{value}",
    "@file",
    "file:data",
    "a..b",
    "...",
    "a/-rf",
    "a~",
    "\u2028",
    "−rf", // a minus sign
    "．．/x", // full-width full stops
    "é日本",
    "data/a.txt",
    "data",
    "not/there",
    "data/a.txt/x",
    "",
  ])("%j", async (value) => {
    expect(await shown(plain, value)).toMatchObject({ isError: false, output: `exit code 0\nstdout:\n[${value}]` });
  });

  it("also after an option", async () => {
    const dashed = show({ pattern: ANYTHING }, ["--out={value}", "end"]);
    expect((await shown(dashed, "x y")).output).toContain("[--out=x y][end]");
    expect(await shown(dashed, "-x")).toMatchObject({ isError: true });
  });
});

describe("a pattern", () => {
  it.each(["a;b", "ab\n", "\nab", "A", "", "a b", " ab", "ab ", "ab|", "éa", "ab\u0000"])(
    "fits whole or not: %j",
    async (value) => expect(await shown(show({ pattern: "[a-z]+" }), value)).toMatchObject({ isError: true }),
  );
  it.each(["ab", "xb", "ax", "b;id", "id;a"])("with a choice is anchored as a whole: %j", async (value) =>
    expect(await shown(show({ pattern: "a|b" }), value)).toMatchObject({ isError: true }),
  );
  it.each(["(a|a)*b", "(a+)+b", "(a*)*b", "a*a*a*a*a*a*b", "(x+x+)+y|(a?a?)*c"])(
    "takes linear time: %s",
    async (pattern) => {
      const tool = show({ pattern, maxLength: 4096 });
      const started = performance.now();
      expect(await shown(tool, "a".repeat(4096))).toMatchObject({ isError: true });
      expect(performance.now() - started).toBeLessThan(5000); // one that tries all ways would take years
    },
  );
  it.each(["Low", "low ", "", "lo", "high,low", "constructor"])("may be a list: %j is not on it", async (value) =>
    expect(await shown(show({ enum: ["low", "high"] }), value)).toMatchObject({
      isError: true,
      output: expect.stringContaining("low, high"),
    }),
  );
});

describe("an input", () => {
  it.each([
    ["an action that is not there", { action: "other" }],
    ["a property of every object", { action: "constructor" }],
    ["the prototype", { action: "__proto__" }],
    ["no action", {}],
    ["an argument vector", { action: "show", argv: ["id"] }],
    ["arguments as a list", { action: "show", arguments: ["-rf"] }],
    ["an argument that is missing", { action: "show", arguments: {} }],
    ["arguments that are missing", { action: "show" }],
    ["an argument that is not declared", { action: "show", arguments: { value: "a", more: "b" } }],
    ["an environment", { action: "show", arguments: { value: "a" }, env: { PATH: "/tmp" } }],
    ["the prototype of the arguments", JSON.parse('{"action":"show","arguments":{"value":"a","__proto__":"x"}}')],
  ])("with %s is refused", async (_what, input) =>
    expect(await ask(plain, input)).toMatchObject({ isError: true, output: expect.any(String) }),
  );

  it("may leave out what has a default, and lead outside where the spec says so", async () => {
    expect((await ask(show({ pattern: ".*", default: "here" }), { action: "show" })).output).toContain("[here]");
    const free = show({ pattern: ".*", leadingDash: true, outsideWorkspace: true });
    for (const value of ["-n", "/etc", "../x", "~", "out/secret"])
      expect((await shown(free, value)).output).toContain(`[${value}]`);
  });
});

describe("a program", () => {
  const run = (argv: string[], signal?: AbortSignal) => ask(toolOf({ it: { argv } }), { action: "it" }, signal);

  it("has three variables and no more", async () => {
    process.env["ANTHROPIC_API_KEY"] ??= "sk-ant-planted";
    const { output } = await run(["env"]);
    expect(output.split("\n").slice(2).filter(Boolean).sort()).toEqual([
      `HOME=${home}`,
      "LANG=C.UTF-8",
      "PATH=/usr/local/bin:/usr/bin:/bin",
    ]);
  });
  it("runs in the session's directory", async () => {
    expect((await run(["pwd", "-P"])).output).toContain(home);
    expect((await run(["cat", "data/a.txt"])).output).toBe("exit code 0\nstdout:\nalpha");
  });
  it("has nothing to read", async () => expect((await run(["cat"])).output).toBe("exit code 0"));
  it("has no file open but its three", async () => {
    const { output } = await run([
      "readlink",
      "/proc/self/fd/0",
      "/proc/self/fd/1",
      "/proc/self/fd/2",
      "/proc/self/fd/3",
      "/proc/self/fd/4",
    ]);
    expect(output.split("\n").slice(2).filter(Boolean)).toEqual([
      "/dev/null",
      expect.stringMatching(/pipe|socket/),
      expect.stringMatching(/pipe|socket/),
    ]);
  });
  it("tells how it ended", async () => {
    expect(await run([script("fail")])).toMatchObject({
      isError: true,
      output: "exit code 3\nstdout:\npartly\n\nstderr:\nwrong\n",
    });
    expect(await run([script("suicide")])).toMatchObject({ isError: true, output: "ended by SIGKILL" });
  });
  it.each([["binary", 3] as const, ["latin", 4] as const])("may write what is no text: %s", async (name, bytes) =>
    expect(await run([script(name)])).toMatchObject({
      output: `exit code 0\nstdout: binary, ${bytes} bytes, not shown`,
    }),
  );
  it.each(["flood", "complain"] as const)("that does not stop writing is ended: %s", async (name) => {
    const before = process.memoryUsage().rss;
    const { output, isError } = await run([script(name)]);
    expect(isError).toBe(true);
    expect(output).toMatch(/^ended: it wrote more than is kept/);
    expect(output.length).toBeLessThan(66_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024); // it writes gigabytes in that time
  });

  const pids = (file: string): number[] => readFileSync(join(home, file), "utf8").trim().split("\n").map(Number);
  const lives = (pid: number): boolean => {
    try {
      return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
    } catch {
      return false;
    }
  };

  it("that will not end is killed with all it started", async () => {
    const abort = new AbortController();
    const running = run([script("stubborn")], abort.signal);
    await expect.poll(() => existsSync(join(home, "pids")) && pids("pids").length, { timeout: 10_000 }).toBe(2);
    expect(pids("pids").every(lives)).toBe(true);
    abort.abort(new Error("cancelled"));
    await expect(running).rejects.toThrow("cancelled");
    await expect.poll(() => pids("pids").filter(lives), { timeout: 8000, interval: 100 }).toEqual([]);
  });
  it("leaves nothing behind when it ends by itself", async () => {
    expect((await run([script("leaver")])).output).toContain("done");
    await expect.poll(() => pids("left").filter(lives), { timeout: 5000 }).toEqual([]);
  });
  it("waits for a place while four of its tool run, and gives up waiting when it is cancelled", async () => {
    const tool = toolOf({ it: { argv: [script("slow")] } });
    const abort = new AbortController();
    const all = Array.from({ length: 4 }, () => ask(tool, { action: "it" }));
    const cancelled = ask(tool, { action: "it" }, abort.signal);
    const last = ask(tool, { action: "it" });
    abort.abort(new Error("cancelled"));
    await expect(cancelled).rejects.toThrow("cancelled");
    expect((await Promise.all([...all, last])).map((it) => it.isError)).toEqual([false, false, false, false, false]);
    expect(readFileSync(join(home, "finished"), "utf8")).toBe("x\n".repeat(5));
  });
  it("that is gone is told without a path", async () => {
    writeFileSync(join(base, "bin", "gone"), "#!/bin/sh\n", { mode: 0o755 });
    const tool = toolOf({ it: { argv: [join(base, "bin", "gone")] } });
    rmSync(join(base, "bin", "gone"));
    expect(await ask(tool, { action: "it" })).toMatchObject({
      isError: true,
      output: "the program could not be started",
    });
  });
});

describe("a tool that cannot be had", () => {
  it.each([
    [
      "a program that is not there",
      { argv: ["no-such-program"] },
      /shell\.commands\.it\.argv: there is no program no-such-program/,
    ],
    ["a shell", { argv: ["sh", "-c", "id"] }, /is a shell/],
    ["a placeholder that is not declared", { argv: ["du", "{path}"] }, /\{path\} is not declared/],
  ])("is refused at the start: %s", (_what, command, says) => {
    expect(() => toolOf({ it: command })).toThrow(ConfigError);
    expect(() => toolOf({ it: command })).toThrow(says);
  });
});

it("the model is told of the actions, their arguments and what fits them", () => {
  const tool = toolOf({
    disk_usage: {
      argv: ["du", "-sh", "{path}"],
      description: "how much a directory holds",
      arguments: { path: { pattern: "[a-z/]+", default: "data", description: "a directory" } },
    },
    today: { argv: ["date"] },
  });
  expect(tool.definition.input_schema).toEqual({
    type: "object",
    properties: {
      action: {
        type: "string",
        enum: ["disk_usage", "today"],
        description: "disk_usage(path): how much a directory holds\ntoday()",
      },
      arguments: {
        type: "object",
        properties: {
          path: { type: "string", description: 'disk_usage: a directory; fits ^(?:[a-z/]+)$; default "data"' },
        },
        additionalProperties: false,
      },
    },
    required: ["action"],
    additionalProperties: false,
  });
});
