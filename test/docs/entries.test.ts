import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Block, blocksOf, pages, root } from "./blocks.ts";
import { entriesOf, type Entry, fateOf, match, pagesWithEntries, testedBlocks } from "./entries.ts";
import { reasonOf } from "./not-here.ts";

describe("every command and every manifest of the documentation", () => {
  test("has an entry that says how it is tested", () => {
    const problems = pages().flatMap((page) => match(blocksOf(page), entriesOf(page)).problems);
    expect(problems.join("\n\n")).toBe("");
  });

  test("has an entry for a page that is there", () => {
    expect(pagesWithEntries().filter((it) => !pages().includes(it))).toEqual([]);
  });

  test("that another test reads is read by it", () => {
    const elsewhere = testedBlocks(pages(), blocksOf).filter((it) => it.how === "elsewhere");
    const unread = elsewhere.filter(({ page, by = "" }) => {
      const file = join(root, by);
      return !existsSync(file) || !readFileSync(file, "utf8").includes(page);
    });
    expect(unread.map(({ page, by }) => `${by} does not read ${page}`)).toEqual([]);
    expect(elsewhere.length).toBeGreaterThan(0);
  });

  test("is counted by what becomes of it, so that none is left out unseen", () => {
    const tested = testedBlocks(pages(), blocksOf);
    const counts = Object.fromEntries([...Map.groupBy(tested, fateOf)].map(([fate, { length }]) => [fate, length]));
    for (const { page, line, unrun } of tested)
      if (unrun !== undefined) console.log(`${page}, line ${line} is not run: ${reasonOf(unrun)}`);
    console.log(counts);
    expect(counts).toEqual({
      "run on a cluster": 63,
      "a dry run on an API server": 51,
      "taken by what it is written for": 28,
      "not run": 12,
    });
  });

  test("that is JSON can be parsed", () => {
    const json = pages().flatMap((page) => blocksOf(page).filter((it) => it.language === "json"));
    for (const { page, line, text } of json)
      expect(() => JSON.parse(text) as unknown, `${page}, line ${line}`).not.toThrow();
  });
});

describe("an entry", () => {
  const [block] = blocksOf("a.md", "# A\n\n```sh\nkubectl get pods\n```\n") as [Block];
  const entry: Entry = { heading: "A", hash: block.hash, how: "commands", with: {}, says: [], never: [] };

  test("that is missing is told with the line to add", () => {
    expect(match([block], []).problems).toEqual([
      expect.stringContaining(`- {heading: "A", hash: "${block.hash}", how: commands}`) as string,
    ]);
  });

  test("of a block that was changed is told with the new hash", () => {
    const { tested, problems } = match([block], [{ ...entry, hash: "00000000" }]);
    expect(tested).toEqual([]);
    expect(problems).toEqual([expect.stringContaining(`"00000000" → "${block.hash}"`) as string]);
  });

  test("of a block that is gone is told", () => {
    const { problems } = match([block], [entry, { ...entry, heading: "B" }]);
    expect(problems).toEqual([expect.stringContaining('under "B" any more') as string]);
  });

  test("serves one block only, so a copy needs its own", () => {
    expect(match([block, block], [entry]).problems).toHaveLength(1);
  });
});

describe("a block", () => {
  test("within a list loses the list's indent and keeps its own", () => {
    const text = "# A\n1. Do:\n   ```yaml\n   a:\n     b: 1\n   ```\n";
    expect(blocksOf("a.md", text)).toMatchObject([{ language: "yaml", text: "a:\n  b: 1\n", heading: "A", line: 3 }]);
  });

  test("may hold what looks like a heading or a shorter fence", () => {
    const text = "# A\n````sh\n# not a heading\n```\n````\n```sh\nx\n```\n";
    expect(blocksOf("a.md", text).map((it) => it.heading)).toEqual(["A", "A"]);
  });
});
