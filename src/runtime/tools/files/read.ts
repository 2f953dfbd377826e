import { isUtf8 } from "node:buffer";
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, readdir } from "node:fs/promises";
import { ToolError } from "../tool.ts";
import { entryPath, heldPath, withEntry, withOpened } from "../workspace/directory.ts";
import { DRAFT_PREFIX } from "../workspace/path.ts";
import { type FilesInput, MAX_LISTED, MAX_READ_BYTES, STANDARD_READ_BYTES } from "./input.ts";

async function bytesOf(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** Of UTF-8, in bytes. Who reads less might never get on. */
const LONGEST_CHARACTER = 4;

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

/** How many bytes at the beginning belong to a character that begins before. */
function halfAtStart(bytes: Buffer): number {
  const first = bytes.subarray(0, 3).findIndex((it) => !isContinuation(it));
  return first < 0 ? Math.min(bytes.length, 3) : first;
}

/** How many bytes at the end belong to a character that goes on after. */
function halfAtEnd(bytes: Buffer): number {
  const last = bytes.subarray(-4).findLastIndex((it) => !isContinuation(it));
  if (last < 0) return 0;
  const tail = bytes.subarray(-4).subarray(last);
  const lead = tail[0] ?? 0;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return length > tail.length ? tail.length : 0;
}

const isText = (bytes: Buffer): boolean => isUtf8(bytes) && !bytes.includes(0);

function shown(bytes: Buffer, offset: number, size: number, encoding: FilesInput["encoding"]): string {
  const text = encoding === "text";
  const from = text && offset > 0 ? halfAtStart(bytes) : 0;
  const to = bytes.length - (text && offset + bytes.length < size ? halfAtEnd(bytes) : 0);
  const part = bytes.subarray(from, to);
  if (text && !isText(part))
    throw new ToolError(`the file is binary (${size} bytes): read it with encoding base64 if that is of use`);
  const [first, end] = [offset + from, offset + to];
  const note =
    first > 0 || end < size
      ? `\n[bytes ${first} to ${end} of ${size}${end < size ? `; go on with offset ${end}` : ""}]`
      : "";
  return part.toString(text ? "utf8" : "base64") + note;
}

/** What is in a file, or a part of it. */
export const readEntry = (directory: FileHandle, name: string, input: FilesInput): Promise<string> =>
  withEntry(directory, name, async (entry, kind, { size }) => {
    if (kind === "directory") throw new ToolError("it is a directory: list it");
    const { offset, limit = STANDARD_READ_BYTES, encoding } = input;
    if (offset > size) throw new ToolError(`offset: the file has ${size} bytes`);
    const length = Math.min(Math.max(limit, LONGEST_CHARACTER), MAX_READ_BYTES, size - offset);
    const bytes = await withOpened(entry, constants.O_RDONLY, (file) => bytesOf(file, offset, length));
    return shown(bytes, offset, size, encoding);
  });

const typeOf = (stats: Stats): string =>
  stats.isFile() ? "file" : stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "link" : "special";

const facts = (stats: Stats) => ({
  type: typeOf(stats),
  ...(stats.isFile() ? { size: stats.size } : {}),
  modified: stats.mtime.toISOString(),
});

export const statEntry = (directory: FileHandle, name: string): Promise<string> =>
  withEntry(directory, name, async (_entry, _kind, stats) => JSON.stringify(facts(stats)));

/** Of these names, what is there, up to a size: an answer is no larger than that of a read. */
async function describe(directory: FileHandle, names: string[]): Promise<{ entries: object[]; seen: number }> {
  const entries: object[] = [];
  let [seen, size] = [0, 0];
  for (const name of names) {
    if (size > STANDARD_READ_BYTES) break;
    seen++;
    const stats = await lstat(entryPath(directory, name)).catch(() => undefined); // gone meanwhile
    if (!stats) continue;
    const entry = { name, ...facts(stats) };
    entries.push(entry);
    size += Buffer.byteLength(JSON.stringify(entry));
  }
  return { entries, seen };
}

/** The entries of a directory, by name. Those whose names are no UTF-8 cannot be named, and are counted only. */
export async function listDirectory(
  directory: FileHandle,
  { offset, limit = MAX_LISTED }: FilesInput,
): Promise<string> {
  const raw = (await readdir(heldPath(directory), { encoding: "buffer" })) as unknown as Buffer[];
  const names = raw
    .filter((it) => isUtf8(it))
    .map(String)
    .filter((it) => !it.startsWith(DRAFT_PREFIX))
    .sort();
  const { entries, seen } = await describe(directory, names.slice(offset, offset + Math.min(limit, MAX_LISTED)));
  const unnamed = raw.filter((it) => !isUtf8(it)).length;
  return JSON.stringify({
    entries,
    ...(offset + seen < names.length ? { nextOffset: offset + seen, total: names.length } : {}),
    ...(unnamed > 0 ? { notUtf8: unnamed } : {}),
  });
}
