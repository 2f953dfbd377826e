import { goTool } from "../support/go-tool.ts";
import type { Scan } from "./finding.ts";
import type { ManifestSet } from "./manifests.ts";
import { output } from "./output.ts";

export const ensureKubeScore = (): Promise<string> =>
  goTool({ name: "kube-score", package: "github.com/zegl/kube-score/cmd/kube-score", version: "v1.20.0" });

/** All is well; anything below is a critical finding, a warning, or nearly well. */
const WELL = 10;

interface Scored {
  type_meta: { kind: string };
  object_meta: { name: string };
  checks: {
    check: { id: string };
    grade: number;
    skipped: boolean;
    comments: { path: string; summary: string }[] | null;
  }[];
}

/** With the checks that are off unless asked for. */
export async function kubeScore(program: string, { files }: ManifestSet): Promise<Scan> {
  const args = ["score", "--output-format", "json", "--enable-optional-test", "container-seccomp-profile", ...files];
  const scored = JSON.parse(await output(program, args, [0, 1])) as Scored[];
  const looks = scored.flatMap(({ type_meta, object_meta, checks }) =>
    checks.filter((it) => !it.skipped).map((it) => ({ ...it, object: `${type_meta.kind}/${object_meta.name}` })),
  );
  const findings = looks
    .filter(({ grade }) => grade < WELL)
    .map(({ check, object, comments }) => ({
      scanner: "kube-score" as const,
      code: check.id,
      object,
      says: (comments ?? []).map(({ path, summary }) => (path ? `${path}: ${summary}` : summary)).join("; "),
    }));
  return { passed: looks.length - findings.length, findings };
}
