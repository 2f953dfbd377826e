// Bundles the program into one file: node dev/bundle.ts [OUTPUT DIRECTORY]
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundleConsole } from "./bundle-console.ts";

const root = join(import.meta.dirname, "..");
const out = process.argv[2] ?? join(root, "dist");

await build({
  entryPoints: {
    agentpg: join(root, "src/cli/main.ts"),
    // For those who call agents from a program of their own.
    client: join(root, "src/runtime/client.ts"),
    // What tool modules import (src/runtime/modules/imports.ts); its parts are shared with the program.
    "modules/tools": join(root, "src/runtime/modules/interface.ts"),
    "modules/zod": fileURLToPath(import.meta.resolve("zod")),
  },
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true, // the operator's libraries are not loaded into an agent
  chunkNames: "chunks/[name]-[hash]",
  platform: "node",
  target: "node24",
  format: "esm",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  logLevel: "warning",
  // Commands that need a checkout are looked for beside the program, and are not there in an image.
  external: ["pg-native", "pg-cloudflare", "./checkout-commands.ts"],
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});

await bundleConsole(join(out, "console"));

// Types for those who write tool modules, or use the client, in an editor. An image needs none, and there is no compiler where it is built.
const tsc = join(root, "node_modules/typescript/bin/tsc");
const options =
  "--ignoreConfig --module nodenext --target es2024 --strict --allowImportingTsExtensions --skipLibCheck --types node --declaration --emitDeclarationOnly";
const folders = ["--rootDir", join(root, "src"), "--outDir", join(out, "types")];
if (existsSync(tsc)) {
  const args = [
    tsc,
    ...options.split(" "),
    ...folders,
    join(root, "src/runtime/modules/interface.ts"),
    join(root, "src/runtime/client.ts"),
  ];
  execFileSync(process.execPath, args, { cwd: root, stdio: "inherit" });
}
