// What each block of the documentation is tested by: `test/docs/pages/PAGE.yaml`, a list of entries.
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { type Block, EXECUTABLE, root } from "./blocks.ts";

/** How a block is tested. */
export const HOW = {
  commands:
    "sh: read by a real shell; every agentpg and npm command and every call of the HTTP API is checked; kubectl, helm and psql run, writes as server-side dry runs, without a kubelet",
  demo: "sh: as commands, and all such blocks of the page are run from top to bottom on the demo's cluster, changing it",
  objects: "yaml: applied, as a server-side dry run",
  agent: "yaml: a part of an Agent (`spec: …`, or fields of it): applied likewise",
  tenant: "yaml: a part of a Tenant: applied likewise",
  values: "yaml: values of the chart: rendered with helm",
  prometheus: "yaml: scrape configurations: checked by promtool, but for the discovery of pods",
  sql: "sql: run on a real Postgres, as a superuser",
  elsewhere: "tested by the file that `by` names, which reads the page",
  "not-here": "cannot be run here, for the reason in `why`",
} as const;
export type How = keyof typeof HOW;

const entry = z
  .strictObject({
    heading: z.string(),
    hash: z.string().regex(/^[0-9a-f]{8}$/),
    how: z.enum(Object.keys(HOW) as [How, ...How[]]),
    why: z.string().min(10).optional(),
    by: z.string().optional(),
    /** Words that a block with `demo` has to print. */
    says: z.array(z.string()).default([]),
  })
  .refine((it) => it.how !== "not-here" || it.why, { error: "not-here needs the reason: why: …" })
  .refine((it) => it.how !== "elsewhere" || it.by, { error: "elsewhere needs the file: by: test/…" });
export type Entry = z.infer<typeof entry>;

/** A block and the entry that says how it is tested. */
export type Tested = Block & Pick<Entry, "how" | "says" | "by">;

const entryFile = (page: string): string => `test/docs/pages/${page}.yaml`;

/** @throws Error that names the file and the field */
export function entriesOf(page: string): Entry[] {
  const file = join(root, entryFile(page));
  if (!existsSync(file)) return [];
  const read = z.array(entry).safeParse(parse(readFileSync(file, "utf8")));
  if (!read.success) throw new Error(`${entryFile(page)}: ${z.prettifyError(read.error)}`);
  return read.data;
}

/** Pages that have entries. */
export const pagesWithEntries = (): string[] =>
  globSync("**/*.yaml", { cwd: join(root, "test/docs/pages") }).map((it) => it.replace(/\.yaml$/, ""));

/** What an entry is likely to say. */
function likely({ language, text, page }: Block): How {
  if (language === "sql") return "sql";
  if (language !== "yaml") return "commands";
  if (/^apiVersion:/m.test(text)) return "objects";
  if (/^- job_name:/m.test(text)) return "prometheus";
  if (/^(spec|tools|approvals|compaction):/m.test(text)) return page.includes("tenant") ? "tenant" : "agent";
  return "values";
}

const line = ({ heading, hash, how }: { heading: string; hash: string; how: How }): string =>
  `- {heading: ${JSON.stringify(heading)}, hash: "${hash}", how: ${how}}`;

/** The blocks that have an entry, and what is wrong with the others: each a sentence that says what to write where. */
export function match(blocks: readonly Block[], entries: readonly Entry[]): { tested: Tested[]; problems: string[] } {
  const tested: Tested[] = [];
  const problems: string[] = [];
  const left = new Set(entries);
  const without: Block[] = [];
  for (const block of blocks) {
    if (block.language === "")
      problems.push(`${block.page}, line ${block.line}: the fence names no language: write sh, yaml, text, …`);
    if (!EXECUTABLE.includes(block.language)) continue;
    const found = [...left].find((it) => it.heading === block.heading && it.hash === block.hash);
    if (found) {
      left.delete(found);
      tested.push({ ...block, ...found });
    } else without.push(block);
  }
  for (const block of without) {
    const where = `${block.page}, line ${block.line} ("${block.heading}")`;
    const former = [...left].find((it) => it.heading === block.heading);
    if (former) {
      left.delete(former);
      problems.push(
        `${where}: this block was changed. Does "how: ${former.how}" still fit? Then write its new hash into ${entryFile(block.page)}: "${former.hash}" → "${block.hash}"`,
      );
    } else
      problems.push(
        `${where}: this block has no entry, so nobody tests it. Add to ${entryFile(block.page)} (the ways are in test/docs/entries.ts):\n${line({ ...block, how: likely(block) })}`,
      );
  }
  const [page] = blocks;
  for (const it of left)
    problems.push(
      `${page ? entryFile(page.page) : "an entry"}: there is no block ${it.hash} under "${it.heading}" any more: take the entry out`,
    );
  return { tested, problems };
}

/** Every block with its entry; those without one fail `test/docs/entries.test.ts`. */
export const testedBlocks = (pages: readonly string[], blocksOf: (page: string) => Block[]): Tested[] =>
  pages.flatMap((page) => match(blocksOf(page), entriesOf(page)).tested);
