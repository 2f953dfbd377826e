import { RetryTool, ToolError } from "../tool.ts";

const MEANINGS: Record<string, string> = {
  ENOENT: "there is no such file or directory",
  ENOTDIR: "a part of the path is not a directory",
  EISDIR: "it is a directory",
  EEXIST: "it exists already",
  ENOTEMPTY: "the directory is not empty",
  ELOOP: "a part of the path is a symbolic link: links are not followed",
  ENAMETOOLONG: "the path is too long",
  ENOSPC: "the workspace is full: delete what is not needed",
  EDQUOT: "the workspace is full: delete what is not needed",
  EFBIG: "the file would become too large",
  EACCES: "it may not be used",
  EPERM: "it may not be used",
  EROFS: "the workspace can only be read",
};
/** Of a volume that comes over a network. */
const MAY_PASS = new Set(["EIO", "ESTALE", "ETIMEDOUT", "EHOSTDOWN"]);

/** An error of the file system as the model may read it: without the place on the pod. Others stay as they are. */
export function toolError(error: unknown, path: string): unknown {
  const { code = "" } = error as NodeJS.ErrnoException;
  if (MAY_PASS.has(code)) return new RetryTool(`${path || "."}: the volume failed: try again later`, { cause: error });
  const meaning = MEANINGS[code];
  return error instanceof ToolError || !meaning ? error : new ToolError(`${path || "."}: ${meaning}`, { cause: error });
}
