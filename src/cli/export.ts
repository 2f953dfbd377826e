import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Progress, terminalProgress } from "../telemetry/progress.ts";
import { callOperator, type OperatorAccess } from "./operator-access.ts";

export interface ExportOptions {
  tenant: string;
  user?: string;
  session?: string;
  /** A file; left out: standard output. */
  output?: string;
}

type Line = Record<string, unknown>;
type Counts = Record<string, number>;
/** What came: lines by type, and how many rows were too large to be in them. */
interface Seen {
  counts: Counts;
  omitted: number;
}

/** `agentpg export`: a tenant's data, or a user's or session's, as JSON Lines (docs/api.md). */
export async function exportData(options: ExportOptions & OperatorAccess): Promise<number> {
  const { tenant, user, session, output } = options;
  const input = { tenant, ...(user === undefined ? {} : { user }), ...(session === undefined ? {} : { session }) };
  const lines = callOperator(options, "export", input);
  const progress = terminalProgress();
  if (output === undefined) await writeExport(lines, process.stdout, progress);
  else await writeExportFile(lines, output, progress);
  return 0;
}

/** Writes beside the file and puts it in its place when all has come: a file of this name is whole. Readable by its owner only. */
export async function writeExportFile(lines: AsyncIterable<Line>, path: string, progress: Progress): Promise<void> {
  const partial = `${path}.partial`;
  try {
    await writeExport(lines, createWriteStream(partial, { mode: 0o600 }), progress);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/**
 * Writes the lines as they come, no faster than `out` takes them, and holds them against the counts and the hash of the last.
 * @throws Error when the export is not whole, or `out` fails
 */
async function writeExport(lines: AsyncIterable<Line>, out: Writable, progress: Progress): Promise<void> {
  const seen: Seen = { counts: {}, omitted: 0 };
  await progress.step("export", (detail) =>
    pipeline(checkedText(lines, seen, detail), out, { end: out !== process.stdout }),
  );
  progress.note(
    Object.entries(seen.counts)
      .map(([type, count]) => `${count} ${type}`)
      .join(", ") || "nothing is there",
  );
  if (seen.omitted > 0) progress.note(`${seen.omitted} rows are larger than 32 MiB and were left out (omittedBytes)`);
}

async function* checkedText(
  lines: AsyncIterable<Line>,
  seen: Seen,
  detail: (text: string) => void,
): AsyncGenerator<string> {
  const { counts } = seen;
  const hash = createHash("sha256");
  let total = 0;
  let written = 0;
  let end: Line | undefined;
  for await (const line of lines) {
    const type = String(line["type"]);
    const text = `${JSON.stringify(line)}\n`;
    if (type === "export") total = Object.values(line["counts"] as Counts).reduce((sum, it) => sum + it, 0);
    if (type === "end") end = line;
    else hash.update(text);
    if ("omittedBytes" in line) seen.omitted++;
    if (type !== "export" && type !== "end") counts[type] = (counts[type] ?? 0) + 1;
    if (++written % 500 === 0) detail(`${written} of ${total} lines`);
    yield text;
  }
  if (isWhole(end, counts, hash.digest("hex"))) return;
  throw new Error("the export is not whole: its counts or hash do not fit what came; run it again");
}

function isWhole(end: Line | undefined, counts: Counts, sha256: string): boolean {
  if (!end) return false;
  const said = Object.entries(end["counts"] as Counts);
  return end["sha256"] === sha256 && said.every(([type, count]) => (counts[type] ?? 0) === count);
}
