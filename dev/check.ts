// Everything that can be said about the code without running it: npm run check [-- NAME ...]
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = (name: string) => join(root, "node_modules", name);

const CHECKS: Record<string, string[]> = {
  types: [bin("typescript/bin/tsc"), "--noEmit"],
  "types of the page": [bin("typescript/bin/tsc"), "--noEmit", "-p", "src/console"],
  lint: [bin("oxlint/bin/oxlint"), "--type-aware", "--deny-warnings", "src", "test", "dev", "bench"],
  format: [bin("@biomejs/biome/bin/biome"), "format", "src", "test", "dev", "bench"],
  "dead code": [bin("knip/bin/knip.js")],
  "dependency rules": [join(root, "dev/dependency-rules.ts")],
  "generated files": [join(root, "dev/generate.ts"), "--check"],
  mutants: [join(root, "dev/check-mutants.ts")],
  "supply chain": [join(root, "dev/check-supply-chain.ts")],
  chart: [join(root, "dev/check-chart.ts")],
};

const chosen = process.argv.slice(2);
const failed: string[] = [];
for (const [name, args] of Object.entries(CHECKS)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const started = Date.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? "✓" : "✗"} ${name} (${seconds} s)`);
  if (status !== 0) {
    failed.push(name);
    console.log(`${stdout}${stderr}`.trimEnd());
  }
}
if (failed.length > 0) {
  console.log(`failed: ${failed.join(", ")}`);
  process.exit(1);
}
