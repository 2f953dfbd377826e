import { spawn } from "node:child_process";
import { join } from "node:path";
import { build } from "esbuild";
import { Child } from "./child.ts";

const root = join(import.meta.dirname, "..", "..", "..");

/** Bundles the program as a user gets it, into a folder. Gives the arguments of node that run an agent. */
export async function bundledProgram(folder: string): Promise<string[]> {
  const child = new Child(spawn(process.execPath, [join(root, "dev/bundle.ts"), folder]));
  await new Promise((resolve) => child.process.once("exit", resolve));
  if (child.process.exitCode !== 0) throw new Error(`the program could not be bundled:\n${child.said}`);
  return [join(folder, "agentpg.mjs"), "runtime"];
}

/** Bundles a program of the tests in the same way. @param source its file */
export async function bundledTestProgram(source: string, folder: string): Promise<string[]> {
  const outfile = join(folder, "program.mjs");
  const require =
    'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';
  const external = ["pg-native", "pg-cloudflare"];
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    external,
    banner: { js: require },
    logLevel: "warning",
  });
  return [outfile];
}
