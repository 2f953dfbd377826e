import { ToolError } from "../tool.ts";

const MAX_PATH_BYTES = 4096;
const MAX_NAME_BYTES = 255;
const MAX_DEPTH = 32;
/** What the workspace itself writes beside a file while it is written; no path names it. */
export const DRAFT_PREFIX = ".agentpg-draft-";

const isControl = (character: string): boolean => character < " " || character === "\x7f";

function checkedName(name: string): string {
  if (name === "..") throw new ToolError("path: .. is refused: name what you mean from the workspace's top");
  if (Buffer.byteLength(name) > MAX_NAME_BYTES)
    throw new ToolError(`path: a name in it is longer than ${MAX_NAME_BYTES} bytes`);
  if (name.endsWith(" (deleted)")) throw new ToolError("path: names that end in (deleted) are reserved"); // directory.ts
  if (name.startsWith(DRAFT_PREFIX)) throw new ToolError(`path: names that begin with ${DRAFT_PREFIX} are reserved`);
  return name;
}

/**
 * The names that lead from the workspace's top to a thing in it. It is how they are opened (directory.ts) that keeps them
 * inside: this only tells early, and better, what cannot be meant. Unicode is taken as it is: no two spellings are one.
 * @throws ToolError
 */
export function pathNames(path: string): string[] {
  if (!path.isWellFormed()) throw new ToolError("path: it is not well-formed Unicode");
  if (path.split("").some(isControl)) throw new ToolError("path: it holds a control character");
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw new ToolError(`path: it is longer than ${MAX_PATH_BYTES} bytes`);
  if (path.startsWith("/")) throw new ToolError("path: paths are relative to the workspace: leave the leading / out");
  const names = path.split("/").filter((it) => it !== "" && it !== ".");
  if (names.length > MAX_DEPTH) throw new ToolError(`path: it is more than ${MAX_DEPTH} directories deep`);
  return names.map(checkedName);
}
