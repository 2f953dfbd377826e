import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

/** The README's first command as a person runs it, in its own process. */
function runDemo(...args: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn("npm", ["run", "--silent", "demo", "--", ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (out += chunk.toString()));
  return new Promise((resolve) => child.on("exit", (code) => resolve({ code, out })));
}

test("the demo works on a cluster of its own, from the chart, with packets for what it claims", {
  timeout: 1_800_000,
}, async () => {
  const { code, out } = await runDemo("--check", "--name", "agentpg-test", "--keep");
  expect(out).toContain("the demo works");
  expect(code, out.slice(-3000)).toBe(0);
  // Which walls held is said aloud; on the cluster that is built from source each of them must be there.
  expect(out).toContain("permission denied (42501)");
  expect(out).toContain("globex's token at acme's agent: HTTP 403");
  expect(out).toContain("a pod of acme connects to acme's agent: connected");
  if (out.includes("enforces NetworkPolicy")) expect(out).toContain("is kept from acme's agent by the network");
  // The planted key of the demo is in no output.
  expect(out).not.toContain("sk-ant-");
});
