import type { FileHandle } from "node:fs/promises";
import type { ToolSpec } from "../../../api/agent.ts";
import { type LocalTool, ToolError, type ToolOutcome } from "../tool.ts";
import { inDirectory } from "../workspace/directory.ts";
import { toolError } from "../workspace/failure.ts";
import { pathNames } from "../workspace/path.ts";
import type { Workspace } from "../workspace/workspace.ts";
import { type FilesInput, filesInput, READING } from "./input.ts";
import { listDirectory, readEntry, statEntry } from "./read.ts";
import { appendFile, contentOf, deleteEntry, makeDirectory, writeFile } from "./write.ts";

/** A directory takes room too; so does the name of a file. */
const ENTRY_BYTES = 4096;

async function act(input: FilesInput, directory: FileHandle, name: string, workspace: Workspace): Promise<string> {
  switch (input.action) {
    case "read":
      return readEntry(directory, name, input);
    case "stat":
      return statEntry(directory, name);
    case "delete":
      return deleteEntry(directory, name);
    case "mkdir":
      await workspace.take(ENTRY_BYTES);
      return makeDirectory(directory, name);
    case "write":
    case "append": {
      const bytes = contentOf(input);
      await workspace.take(bytes.length + ENTRY_BYTES);
      return input.action === "write" ? writeFile(directory, name, bytes) : appendFile(directory, name, bytes);
    }
    case "list":
      return inDirectory(directory, [name], false, (it) => listDirectory(it, input));
  }
}

async function run(input: FilesInput, top: FileHandle, workspace: Workspace): Promise<string> {
  const names = pathNames(input.path);
  const name = names.pop();
  if (name !== undefined) {
    const make = input.action === "write" || input.action === "append" || input.action === "mkdir";
    if (make) await workspace.take(names.length * ENTRY_BYTES);
    return inDirectory(top, names, make, (directory) => act(input, directory, name, workspace));
  }
  if (input.action === "list") return listDirectory(top, input);
  if (input.action === "stat") return JSON.stringify({ type: "directory" });
  throw new ToolError(`path: name what to ${input.action}`);
}

/** Files of the workspace. What keeps a path inside is how it is opened (workspace/directory.ts), not how it reads. */
export const filesTool = ({ access }: NonNullable<ToolSpec["files"]>, workspace: Workspace): LocalTool => ({
  kind: "files",
  async execute({ input: given, sessionId, signal }): Promise<ToolOutcome> {
    const input = filesInput.parse(given);
    if (access === "ReadOnly" && !READING.some((it) => it === input.action))
      throw new ToolError(`${input.action} is refused: these files can only be read`);
    signal.throwIfAborted();
    try {
      const output = await workspace.with(sessionId, ({ directory }) => run(input, directory, workspace));
      return { output, isError: false };
    } catch (error) {
      throw toolError(error, input.path);
    }
  },
});
