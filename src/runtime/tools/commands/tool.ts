import { isUtf8 } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { type Command, commandsProblem } from "../../../api/command.ts";
import { ConfigError } from "../../config.ts";
import { type LocalTool, ToolError, type ToolOutcome } from "../tool.ts";
import { heldPath, inDirectory, NotADirectory, withEntry } from "../workspace/directory.ts";
import type { Workspace } from "../workspace/workspace.ts";
import { filledArguments } from "./arguments.ts";
import { findProgram } from "./find-program.ts";
import { Places } from "../../../process/places.ts";
import { type ProgramEnd, runProgram } from "./run-program.ts";

/** Programs of one tool that run at the same time in a pod. */
const CONCURRENT = 4;

/** @throws ToolError when the value is the path of something that a link leads to, or of a special file */
async function refuseLinks(directory: FileHandle, value: string): Promise<void> {
  const names = value.split("/").filter((it) => it !== "" && it !== ".");
  const last = names.pop();
  if (last === undefined) return;
  await inDirectory(directory, names, false, (it) => withEntry(it, last, async () => {})).catch((error) => {
    if (error instanceof ToolError && !(error instanceof NotADirectory)) throw error;
  }); // what is not there, or no path at all, leads nowhere
}

function section(name: string, bytes: Buffer): string[] {
  if (bytes.length === 0) return [];
  if (!isUtf8(bytes) || bytes.includes(0)) return [`${name}: binary, ${bytes.length} bytes, not shown`];
  return [`${name}:\n${bytes.toString("utf8")}`];
}

/** A piece of text that was cut in the middle of a character is text all the same. */
function withoutHalfCharacter(bytes: Buffer): Buffer {
  for (let cut = 0; cut < 4; cut++) {
    const whole = bytes.subarray(0, bytes.length - cut);
    if (isUtf8(whole)) return whole;
  }
  return bytes;
}

/** What the model reads of a program's end. */
export function told({ code, signal, stdout, stderr, flooded }: ProgramEnd): ToolOutcome {
  const end = flooded
    ? "ended: it wrote more than is kept; the output is cut"
    : code === null
      ? `ended by ${signal}`
      : `exit code ${code}`;
  const parts = flooded ? [stdout, stderr].map(withoutHalfCharacter) : [stdout, stderr];
  const [out = stdout, err = stderr] = parts;
  return { output: [end, ...section("stdout", out), ...section("stderr", err)].join("\n"), isError: code !== 0 };
}

/** @throws ConfigError that names the command which cannot be run */
function checkedPrograms(tool: string, commands: Record<string, Command>): Map<string, string> {
  const problem = commandsProblem(commands);
  if (problem) throw new ConfigError(`spec.tools: ${tool}.${problem}`);
  const programs = Object.entries(commands).map(([name, { argv }]) => {
    const file = findProgram(argv[0] ?? "");
    if (file) return [name, file] as const;
    throw new ConfigError(
      `spec.tools: ${tool}.commands.${name}.argv: there is no program ${argv[0]} in the agent's image: use one that docs/tools.md lists, or an image that has it`,
    );
  });
  return new Map(programs);
}

/** Programs with fixed arguments: no shell, no environment, no input, in the session's directory. @throws ConfigError */
export function commandsTool(tool: string, commands: Record<string, Command>, workspace: Workspace): LocalTool {
  const programs = checkedPrograms(tool, commands);
  const places = new Places(CONCURRENT);
  return {
    kind: "commands",
    async execute({ input, sessionId, signal }): Promise<ToolOutcome> {
      const action = String(input["action"]);
      const [command, file] = [Object.hasOwn(commands, action) ? commands[action] : undefined, programs.get(action)];
      if (!command || !file)
        throw new ToolError(`there is no action ${action}: use one of ${[...programs.keys()].join(", ")}`);
      const { argv, inside } = filledArguments(command, (input["arguments"] ?? {}) as Record<string, unknown>);
      const work = () =>
        workspace.with(sessionId, async ({ directory, path }) => {
          for (const value of inside) await refuseLinks(directory, value);
          const program = { file, args: argv.slice(1), cwd: heldPath(directory), home: path };
          return told(await runProgram(program, signal));
        });
      return places.with(work, signal);
    },
  };
}
