import { expect, test } from "vitest";
import { parseIgnoreFile } from "./ignore-file.ts";

test("a pattern leaves out the file and what is in a folder of that name", () => {
  const ignored = parseIgnoreFile("node_modules\n/dist/\n*.log\n");
  expect(["node_modules/a/b.js", "dist/x", "a.log"].map(ignored)).toEqual([true, true, true]);
  expect(["src/node_modules.ts", "deep/a.log", "distant"].map(ignored)).toEqual([false, false, false]);
});

test("the last pattern that matches decides", () => {
  const ignored = parseIgnoreFile("*\n!src\nsrc/secret\n");
  expect(["package.json", "src/a.ts", "src/deep/b.ts", "src/secret/key"].map(ignored)).toEqual([
    true,
    false,
    false,
    true,
  ]);
});

test("two stars reach through folders, one doesn't", () => {
  const ignored = parseIgnoreFile("# a comment\n**/*.test.ts\nbench/*/out\n");
  expect(["a.test.ts", "src/x/a.test.ts", "bench/1/out"].map(ignored)).toEqual([true, true, true]);
  expect(["bench/1/2/out", "a.testxts"].map(ignored)).toEqual([false, false]);
});
