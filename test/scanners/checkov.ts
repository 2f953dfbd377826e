import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder, wholeFolder } from "../../src/local-cluster/cache.ts";
import type { Progress } from "../../src/telemetry/progress.ts";
import type { Scan } from "./finding.ts";
import type { ManifestSet } from "./manifests.ts";
import { output } from "./output.ts";

const VERSION = "3.3.30";
const run = promisify(execFile);

/** The path of checkov, in an environment of its own. @throws when there is no Python, or the package index cannot be reached */
export async function ensureCheckov(progress: Progress): Promise<string> {
  const path = join(cacheFolder(), `checkov-${VERSION}`);
  // The environment's programs hold its path: it is built where it stays.
  await wholeFolder(`${path}.built`, async () => {
    await progress.step(`installing checkov ${VERSION}`, async () => {
      await run("python3", ["-m", "venv", "--clear", path]);
      const pip = ["install", "--quiet", "--disable-pip-version-check", `checkov==${VERSION}`];
      await run(join(path, "bin/pip"), pip, { maxBuffer: 64 << 20 });
    });
  });
  return join(path, "bin/checkov");
}

interface Report {
  summary: { passed: number };
  results: { failed_checks: { check_id: string; check_name: string; resource: string }[] };
}

/** `Deployment.agentpg-system.agentpg`, and for containers and pods in it more of the same, as `Deployment/agentpg`. */
const objectOf = (resource: string): string => {
  const [kind = "", , ...name] = resource.split(".");
  return `${kind}/${name.join(".")}`;
};

export async function checkov(program: string, { folder }: ManifestSet): Promise<Scan> {
  const args = ["--directory", folder, "--framework", "kubernetes", "--skip-download", "--output", "json", "--compact"];
  const report = JSON.parse(await output(program, args, [0, 1])) as Report;
  const findings = report.results.failed_checks.map(({ check_id, check_name, resource }) => ({
    scanner: "checkov" as const,
    code: check_id,
    object: objectOf(resource),
    says: check_name,
  }));
  return { passed: report.summary.passed, findings };
}
