// Reasons of conditions in the code and in the table of docs/operations.md, which the runbooks call all of them.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./blocks.ts";

const read = (file: string): string => readFileSync(join(root, file), "utf8");
const sources = globSync("src/operator/{agent,tenant,databases,encryption,migrations,network}/**/*.ts", { cwd: root });
const files = [...sources, "src/operator/unreadable.ts"].filter((it) => !it.endsWith(".test.ts"));

/** `reason: "X"`, `ok("X", …)`, `failed("X", …)`. */
const CONDITIONS = [/\breason: ([^,;\n}]*)/g, /\b(?:ok|failed)\(([^,]*)/g];
/** The database's errors: their names become reasons. */
const ERRORS = [/\breadonly name = ("\w+")/g];

const reasonsOf = (text: string, spellings = CONDITIONS): string[] =>
  spellings
    .flatMap((spelling) => [...text.matchAll(spelling)])
    .flatMap(([, value = ""]) => [...value.matchAll(/"([A-Z]\w+)"/g)].map(([, reason = ""]) => reason));

test("every reason of a condition is in the tables of docs/operations.md", () => {
  const ofDatabase = reasonsOf(read("src/database/errors.ts"), ERRORS);
  const reasons = new Set([...ofDatabase, ...files.flatMap((it) => reasonsOf(read(it)))]);
  const tables = read("docs/operations.md");
  expect([...reasons].filter((it) => !tables.includes(`\`${it}\``))).toEqual([]);
  expect(reasons.size).toBeGreaterThan(60);
});

test("reasons are seen however they are spelled", () => {
  expect(reasonsOf('failed(\n  "One", x); ok(y ? "Two" : "Three", z); { reason: a ? "Four" : b, }')).toEqual([
    "Four",
    "One",
    "Two",
    "Three",
  ]);
});
