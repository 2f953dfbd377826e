// The demo as a person runs it, once for all files of this suite; its cluster stays up until the last of them is done.
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { clusterDown, ensureCluster } from "../../src/local-cluster/index.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";

const name = "agentpg-test";
const root = join(import.meta.dirname, "..", "..");

export interface DemoCluster {
  /** How the demo ended, and all that it said. */
  code: number | null;
  out: string;
  kubeconfig: string;
}

declare module "vitest" {
  export interface ProvidedContext {
    demo: DemoCluster;
  }
}

/** The README's first command, in its own process. */
function runDemo(...args: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn("npm", ["run", "--silent", "demo", "--", ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (out += chunk.toString()));
  return new Promise((resolve) => child.on("exit", (code) => resolve({ code, out })));
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const demo = await runDemo("--check", "--name", name, "--keep", "--data-plane", "enforcing");
  const { kubeconfig } = await ensureCluster({ name, progress: silentProgress });
  project.provide("demo", { ...demo, kubeconfig });
  return () => clusterDown({ name, progress: silentProgress });
}
