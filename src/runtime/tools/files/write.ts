import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rmdir, unlink } from "node:fs/promises";
import { ToolError } from "../tool.ts";
import { entryPath, withEntry, withOpened } from "../workspace/directory.ts";
import { DRAFT_PREFIX } from "../workspace/path.ts";
import { type FilesInput, MAX_FILE_BYTES, MAX_WRITE_BYTES } from "./input.ts";

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_APPEND } = constants;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";

/** The bytes to write. @throws ToolError */
export function contentOf({ content, encoding }: FilesInput): Buffer {
  if (content === undefined) throw new ToolError("content is missing");
  if (encoding === "base64" && !BASE64.test(content)) throw new ToolError("content is not base64");
  if (!content.isWellFormed()) throw new ToolError("content is not well-formed Unicode");
  const bytes = Buffer.from(content, encoding === "text" ? "utf8" : "base64");
  if (bytes.length > MAX_WRITE_BYTES)
    throw new ToolError(
      `content has ${bytes.length} bytes, more than ${MAX_WRITE_BYTES}: write a part, and append the rest`,
    );
  return bytes;
}

/** What is there under the name and can be replaced; undefined when nothing is. @throws ToolError for anything but a plain file */
async function sizeOfFile(directory: FileHandle, name: string): Promise<number | undefined> {
  try {
    return await withEntry(directory, name, async (_entry, kind, { size }) => {
      if (kind === "directory") throw new ToolError("it is a directory");
      return size;
    });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whole or not at all: a reader sees the old file or the new one. What stands under the name is replaced, never written through. */
export async function writeFile(directory: FileHandle, name: string, bytes: Buffer): Promise<string> {
  const old = await sizeOfFile(directory, name);
  const draft = entryPath(directory, `${DRAFT_PREFIX}${randomUUID()}`);
  const file = await open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(bytes).finally(() => file.close());
    await rename(draft, entryPath(directory, name));
  } catch (error) {
    await unlink(draft).catch(() => {});
    throw error;
  }
  return `${old === undefined ? "written" : "replaced"}: ${bytes.length} bytes`;
}

/** One write at the end: calls at the same time lose nothing of one another. */
export async function appendFile(directory: FileHandle, name: string, bytes: Buffer): Promise<string> {
  const old = await sizeOfFile(directory, name);
  if (old === undefined) {
    const file = await open(entryPath(directory, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600).catch(
      (error) => {
        if (error.code === "EEXIST") return undefined; // another call made it meanwhile
        throw error;
      },
    );
    await file?.close();
  }
  return withEntry(directory, name, async (entry, kind, { size }) => {
    if (kind === "directory") throw new ToolError("it is a directory");
    if (size + bytes.length > MAX_FILE_BYTES)
      throw new ToolError(`the file would have more than ${MAX_FILE_BYTES} bytes: write to another one`);
    const { bytesWritten } = await withOpened(entry, O_WRONLY | O_APPEND, (file) => file.write(bytes));
    if (bytesWritten < bytes.length)
      throw new ToolError(
        `only the first ${bytesWritten} of ${bytes.length} bytes were appended: the workspace is full`,
      );
    return `appended: ${bytes.length} bytes, ${size + bytes.length} in all`;
  });
}

export async function makeDirectory(directory: FileHandle, name: string): Promise<string> {
  await mkdir(entryPath(directory, name), 0o700);
  return "made";
}

/** A plain file or an empty directory. */
export const deleteEntry = (directory: FileHandle, name: string): Promise<string> =>
  withEntry(directory, name, async (_entry, kind) => {
    const path = entryPath(directory, name);
    await (kind === "directory" ? rmdir(path) : unlink(path));
    return "deleted";
  });
