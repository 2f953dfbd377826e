// What each block of the documentation is tested by: `test/docs/pages/PAGE.yaml`, a list of entries.
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { type Block, EXECUTABLE, root } from "./blocks.ts";
import { isReason } from "./not-here.ts";

/** How a block is tested. */
export const HOW = {
  demo: "sh: run, with all such blocks of the page from top to bottom, on the demo's cluster, changing it (test/node/docs.test.ts); helm as a dry run",
  commands:
    "sh, of kubectl, helm and psql: they run, writes as server-side dry runs, without a kubelet; agentpg, npm, curl and what needs a pod only with the reason in `unrun`",
  objects: "yaml: applied, as a server-side dry run",
  agent: "yaml: a part of an Agent (`spec: …`, or fields of it): applied likewise",
  tenant: "yaml: a part of a Tenant: applied likewise",
  values: "yaml: values of the chart: rendered with helm",
  prometheus: "yaml: scrape configurations: checked by promtool, but for the discovery of pods",
  sql: "sql: run on a real Postgres, as a superuser",
  elsewhere: "tested by the file that `by` names, which reads the page",
  "not-here": "cannot be run here, for the reason in `unrun`",
} as const;
export type How = keyof typeof HOW;

const entry = z
  .strictObject({
    heading: z.string(),
    hash: z.string().regex(/^[0-9a-f]{8}$/),
    how: z.enum(Object.keys(HOW) as [How, ...How[]]),
    /** Which reason of test/docs/not-here.ts keeps a part of it, or all, from being run. */
    unrun: z.string().refine(isReason, { error: "test/docs/not-here.ts has no such reason" }).optional(),
    by: z.string().optional(),
    /** Of a block with `demo`: what stands there for its placeholders, as the shell takes it. */
    with: z.record(z.string(), z.string()).default({}),
    /** What the page says in words that there has to be: commands before it. */
    given: z.string().optional(),
    /** It goes on in a terminal of its own (`meanwhile.txt`), and the next block is typed when it has said this. */
    meanwhile: z.string().optional(),
    /** Commands that look at what came of it. */
    after: z.string().optional(),
    /** Words that it, or what looks at it, has to print. */
    says: z.array(z.string()).default([]),
    /** Words that neither may print. */
    never: z.array(z.string()).default([]),
  })
  .refine((it) => it.how !== "not-here" || it.unrun, { error: "not-here needs the reason: unrun: …" })
  .refine((it) => it.how !== "elsewhere" || it.by, { error: "elsewhere needs the file: by: test/…" });
export type Entry = z.infer<typeof entry>;

/** What becomes of a block in the tests. */
export function fateOf({ how, by, unrun }: Pick<Entry, "how" | "by" | "unrun">): string {
  if (unrun !== undefined) return "not run";
  if (how === "demo" || by?.startsWith("test/node/")) return "run on a cluster";
  return how === "commands" ? "a dry run on an API server" : "taken by what it is written for";
}

/** A block and the entry that says how it is tested. */
export type Tested = Block & Omit<Entry, "heading" | "hash">;

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
