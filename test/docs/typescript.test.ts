// TypeScript of the documentation, and of the example modules, against the types that this package gives.
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blocksOf, pages, root } from "./blocks.ts";
import { removeFolder } from "./shell.ts";

/** What the documentation's pieces take for granted. */
const GIVEN = "declare function freshToken(): Promise<string>;\n";

const CONFIG = {
  compilerOptions: {
    target: "es2024",
    lib: ["es2024", "dom"],
    module: "esnext",
    moduleResolution: "bundler",
    moduleDetection: "force",
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    paths: {
      "agentpg-operator/tools": [join(root, "src/runtime/modules/interface.ts")],
      "agentpg-operator/client": [join(root, "src/runtime/client.ts")],
      "*": [join(root, "node_modules/*")],
    },
  },
};

test("TypeScript in pages has the types that it says", () => {
  const folder = mkdtempSync(join(tmpdir(), "agentpg-docs-types-"));
  const blocks = pages().flatMap((page) => blocksOf(page).filter(({ language }) => language === "ts"));
  const files = blocks.map(({ page, line, text }) => {
    const file = `${page.replace(/\W/g, "_")}_line_${line}.ts`;
    writeFileSync(join(folder, file), `${text}\nexport {};\n`);
    return file;
  });
  writeFileSync(join(folder, "given.d.ts"), GIVEN);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ ...CONFIG, files: [...files, "given.d.ts"] }));
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "-p", folder],
    { encoding: "utf8" },
  );
  removeFolder(folder);
  expect(stdout).toBe("");
  expect(status).toBe(0);
  expect(files.length).toBeGreaterThan(2);
}, 60_000);
