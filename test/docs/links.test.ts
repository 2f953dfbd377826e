// Links of the documentation to its own pages, headings and files.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { pages, root } from "./blocks.ts";

const withoutBlocks = (text: string): string => text.replace(/^(\s*)(`{3,}|~{3,})[\s\S]*?^\s*\2\s*$/gm, "");

/** As GitHub makes them: lower case, blanks as dashes, punctuation gone. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  const counts = new Map<string, number>();
  for (const [, heading = ""] of withoutBlocks(readFileSync(join(root, page), "utf8")).matchAll(/^#+ +(.*)$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "");
    const slug = plain
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-");
    const seen = counts.get(slug) ?? 0;
    counts.set(slug, seen + 1);
    anchors.add(seen === 0 ? slug : `${slug}-${seen}`);
  }
  return anchors;
}

/** Links to our own files, without those within code. */
const linksOf = (page: string): string[] =>
  [
    ...withoutBlocks(readFileSync(join(root, page), "utf8"))
      .replace(/`[^`\n]*`/g, "")
      .matchAll(/\]\(([^)\s]+)\)/g),
  ]
    .map((it) => it[1] ?? "")
    .filter((it) => !/^[a-z]+:/.test(it));

function problemOf(page: string, link: string): string | undefined {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? page : normalize(join(dirname(page), path));
  if (!existsSync(join(root, target))) return `${page}: ${link}: there is no ${target}`;
  if (anchor === undefined || !target.endsWith(".md") || anchorsOf(target).has(anchor)) return undefined;
  return `${page}: ${link}: ${target} has no such heading`;
}

test("every link leads to a file and a heading that are there", () => {
  const links = [...pages(), "CHANGELOG.md"].flatMap((page) => linksOf(page).map((link) => ({ page, link })));
  const problems = links.map(({ page, link }) => problemOf(page, link)).filter((it) => it !== undefined);
  expect(problems.join("\n")).toBe("");
  expect(links.length).toBeGreaterThan(200);
});

test("a link to a file or a heading that is not there is seen", () => {
  expect(problemOf("docs/cli.md", "nowhere.md")).toContain("there is no docs/nowhere.md");
  expect(problemOf("docs/cli.md", "operations.md#nowhere")).toContain("no such heading");
  expect(problemOf("docs/cli.md", "operations.md#migrations")).toBeUndefined();
});
