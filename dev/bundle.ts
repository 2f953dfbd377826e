// Bundles the program into one file: node dev/bundle.ts [OUTPUT DIRECTORY]
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");
const out = process.argv[2] ?? join(root, "dist");

await build({
  entryPoints: { agentpg: join(root, "src/cli/main.ts") },
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
