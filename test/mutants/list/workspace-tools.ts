import type { Mutant } from "../mutant.ts";

const DIRECTORY = "src/runtime/tools/workspace/directory.ts";
const ARGUMENTS = "src/runtime/tools/commands/arguments.ts";
const PROGRAM = "src/runtime/tools/commands/run-program.ts";
const files = (tests: string) => [{ file: "src/runtime/tools/files/tool.test.ts", tests }];
const commands = (tests: string) => [{ file: "src/runtime/tools/commands/tool.test.ts", tests }];

/** The tools `files` and `commands`: the walls around the workspace. */
export const WORKSPACE_TOOLS: Mutant[] = [
  {
    weakness: "symbolic links are followed",
    file: DIRECTORY,
    from: "open(entryPath(directory, name), O_PATH | O_NOFOLLOW);",
    to: "open(entryPath(directory, name), O_PATH);",
    killedBy: files("is not a plain file or directory is refused"),
  },
  {
    weakness: "a file may have another name outside",
    file: DIRECTORY,
    from: "if (stats.nlink > 1) throw new ToolError(`${name} is a file with several hard links, which are refused`);",
    to: "",
    killedBy: files("a hard link to a file outside"),
  },
  {
    weakness: "devices, pipes and sockets are opened",
    file: DIRECTORY,
    from: "if (!stats.isFile()) throw new ToolError(`${name} is neither a file nor a directory (a device, pipe or socket)`);",
    to: "",
    killedBy: files("is not a plain file or directory is refused"),
  },
  {
    weakness: "a path may go up",
    file: "src/runtime/tools/workspace/path.ts",
    from: 'if (name === "..") throw new ToolError("path: .. is refused: name what you mean from the workspace\'s top");',
    to: "",
    killedBy: files("does not go up"),
  },
  {
    weakness: "a path may hold control characters",
    file: "src/runtime/tools/workspace/path.ts",
    from: 'if (path.split("").some(isControl)) throw new ToolError("path: it holds a control character");',
    to: "",
    killedBy: files("is refused"),
  },
  {
    weakness: "files that are for reading can be written",
    file: "src/runtime/tools/files/tool.ts",
    from: 'if (access === "ReadOnly" && ',
    to: 'if (access === ("Never" as string) && ',
    killedBy: files("only reads unless it may write"),
  },
  {
    weakness: "all sessions share one directory",
    file: "src/runtime/tools/workspace/workspace.ts",
    from: '? [SESSION_FOLDERS, sessionId] : ["shared"]',
    to: '? ["shared"] : ["shared"]',
    killedBy: files("gives each session its own files"),
  },
  {
    weakness: "what is called a session's id may be a path",
    file: "src/runtime/tools/workspace/workspace.ts",
    from: 'if (!SESSION_ID.test(sessionId)) throw new TypeError("a session\'s id is a UUID");',
    to: "",
    killedBy: files("the files tool"),
  },
  {
    weakness: "an argument may be an option",
    file: ARGUMENTS,
    from: 'if (value.startsWith("-") && !leadingDash)',
    to: 'if (value.startsWith("--") && value.length < 3)',
    killedBy: commands("is refused all the same"),
  },
  {
    weakness: "an argument may hold a line's end",
    file: ARGUMENTS,
    from: 'if (value.split("").some(isControl)) return "it holds a control character, such as a line\'s end";',
    to: "",
    killedBy: commands("is refused all the same"),
  },
  {
    weakness: "an argument may lead out of the workspace",
    file: ARGUMENTS,
    from: "if (leadsOutside(value) && !outsideWorkspace)",
    to: "if (leadsOutside(value) && value.length > 4096)",
    killedBy: commands("is refused all the same"),
  },
  {
    weakness: "an argument may be a link that leads out of the workspace",
    file: "src/runtime/tools/commands/tool.ts",
    from: "for (const value of inside) await refuseLinks(directory, value);",
    to: "for (const value of inside.slice(inside.length)) await refuseLinks(directory, value);",
    killedBy: [{ file: "src/runtime/tools/commands/tool.test.ts" }],
  },
  {
    weakness: "a pattern need only fit a part of the argument",
    file: "src/api/linear-pattern.ts",
    from: "return new RegExp(`^(?:${pattern})$`, LINEAR);",
    to: "return new RegExp(pattern, LINEAR);",
    killedBy: commands("a pattern"),
  },
  {
    weakness: "a program inherits the environment",
    file: PROGRAM,
    from: 'env: { PATH: PROGRAM_FOLDERS.join(":")',
    to: 'env: { ...process.env, PATH: PROGRAM_FOLDERS.join(":")',
    killedBy: commands("has three variables and no more"),
  },
  {
    weakness: "a program is run by a shell",
    file: PROGRAM,
    from: "shell: false",
    to: "shell: true",
    killedBy: commands("nothing in it means anything"),
  },
  {
    weakness: "a program that floods its output goes on",
    file: PROGRAM,
    from: `kept.flooded = true;
      signalGroup(child, "SIGKILL");`,
    to: "kept.flooded = true;",
    killedBy: commands("that does not stop writing is ended"),
  },
  {
    weakness: "what a program started outlives it",
    file: PROGRAM,
    from: 'signalGroup(child, "SIGKILL"); // what it left behind',
    to: "",
    killedBy: commands("leaves nothing behind when it ends by itself"),
  },
];
