import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Progress } from "../../src/telemetry/progress.ts";
import { checkov, ensureCheckov } from "./checkov.ts";
import type { Finding, Scan, Scanner } from "./finding.ts";
import { ensureKubeconform, kubeconform } from "./kubeconform.ts";
import { ensureKubeScore, kubeScore } from "./kube-score.ts";
import { type ManifestSet, writeManifests } from "./manifests.ts";
import { writeSchemas } from "./schemas.ts";

export interface Outcome {
  /** By scanner: what it found nothing against. */
  passed: Record<Scanner, number>;
  findings: Finding[];
}

/** Asks all scanners about all that we put into a cluster. @throws when one of them cannot be had */
export async function scanAll(progress: Progress): Promise<Outcome> {
  const programs = {
    checkov: await ensureCheckov(progress),
    kubeScore: await progress.step("kube-score is there", ensureKubeScore),
    kubeconform: await progress.step("kubeconform is there", ensureKubeconform),
  };
  const folder = await mkdtemp(join(tmpdir(), "agentpg-scanners-"));
  try {
    const { scanned, own } = await progress.step("the chart, and what the operator makes, are rendered", () =>
      writeManifests(join(folder, "manifests")),
    );
    const schemas = join(folder, "schemas");
    await writeSchemas(schemas);
    const outcome: Outcome = { passed: { checkov: 0, "kube-score": 0, kubeconform: 0 }, findings: [] };
    const ask = async (scanner: Scanner, set: ManifestSet, scan: Promise<Scan>): Promise<void> => {
      const { passed, findings } = await scan;
      outcome.passed[scanner] += passed;
      outcome.findings.push(...findings);
      progress.note(`${scanner} on ${set.from}: ${passed} passed, ${findings.length} found`);
    };
    for (const set of [...scanned, own]) await ask("kubeconform", set, kubeconform(programs.kubeconform, schemas, set));
    for (const set of scanned) await ask("kube-score", set, kubeScore(programs.kubeScore, set));
    for (const set of scanned) await ask("checkov", set, checkov(programs.checkov, set));
    return outcome;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
