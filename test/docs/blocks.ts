// The fenced blocks of the documentation: what people copy.
import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..", "..");

export interface Block {
  /** From the repository's root: `docs/tools.md`. */
  page: string;
  /** The nearest heading above it. */
  heading: string;
  /** `sh`, `yaml`, …; empty when the fence names none. */
  language: string;
  text: string;
  /** Of the fence. */
  line: number;
  /** Changes with the text: whoever changes a block looks at its entry again. */
  hash: string;
}

export const pages = (): string[] =>
  ["*.md", "docs/**/*.md", "examples/**/*.md", "charts/**/*.md"]
    .flatMap((pattern) => globSync(pattern, { cwd: root }))
    .filter((it) => it !== "CHANGELOG.md")
    .sort();

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 8);

const withoutIndent = (lines: readonly string[], indent: number): string =>
  lines.map((it) => `${it.slice(Math.min(indent, it.length - it.trimStart().length))}\n`).join("");

/** @throws Error when a fence is not closed */
export function blocksOf(page: string, text = readFileSync(join(root, page), "utf8")): Block[] {
  const blocks: Block[] = [];
  let heading = "";
  let open: { indent: number; fence: string; language: string; line: number; lines: string[] } | undefined;
  for (const [i, line] of text.split("\n").entries()) {
    const fence = /^(\s*)(`{3,}|~{3,})\s*([\w-]*)/.exec(line);
    if (open && line.trim() === open.fence) {
      const { language, line: at, lines, indent } = open;
      const body = withoutIndent(lines, indent);
      blocks.push({ page, heading, language, text: body, line: at, hash: hashOf(body) });
      open = undefined;
    } else if (open) open.lines.push(line);
    else if (fence)
      open = {
        indent: fence[1]?.length ?? 0,
        fence: fence[2] ?? "",
        language: fence[3] ?? "",
        line: i + 1,
        lines: [],
      };
    else heading = /^#+ (.*)/.exec(line)?.[1]?.trim() ?? heading;
  }
  if (open) throw new Error(`${page}, line ${open.line}: this block is not closed`);
  return blocks;
}

/** Languages whose blocks need an entry in `test/docs/pages`: what is run or applied. */
export const EXECUTABLE: readonly string[] = ["sh", "bash", "fish", "console", "yaml", "sql"];

/** Commands written within a sentence or a table: `` `agentpg migrate pause` ``. */
export const inlineCommands = (page: string, program: string): string[] =>
  [
    ...readFileSync(join(root, page), "utf8")
      .replace(/^(\s*)(`{3,})[\s\S]*?^\s*\2/gm, "")
      .matchAll(/`([^`\n]+)`/g),
  ]
    .map((it) => it[1] ?? "")
    .filter((it) => it.startsWith(`${program} `));
