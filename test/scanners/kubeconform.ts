import { join } from "node:path";
import { goTool } from "../support/go-tool.ts";
import type { Scan } from "./finding.ts";
import type { ManifestSet } from "./manifests.ts";
import { output } from "./output.ts";

export const ensureKubeconform = (): Promise<string> =>
  goTool({ name: "kubeconform", package: "github.com/yannh/kubeconform/cmd/kubeconform", version: "v0.8.0" });

/** Of the Prometheus operator: their definitions are not Kubernetes'. */
const FOREIGN = ["ServiceMonitor", "PodMonitor", "PrometheusRule"];

interface Report {
  resources: { kind: string; name: string; status: string; msg: string }[];
  summary: { valid: number; invalid: number; errors: number; skipped: number };
}

/** @param schemas the folder of schemas.ts */
export async function kubeconform(program: string, schemas: string, { files }: ManifestSet): Promise<Scan> {
  const location = join(schemas, "{{ .ResourceKind }}{{ .KindSuffix }}.json");
  const args = [
    "-strict",
    "-summary",
    "-verbose",
    "-output",
    "json",
    "-schema-location",
    location,
    "-skip",
    FOREIGN.join(","),
  ];
  const { resources, summary } = JSON.parse(await output(program, [...args, ...files], [0, 1])) as Report;
  const findings = resources
    .filter(({ status }) => status === "statusInvalid" || status === "statusError")
    .map(({ kind, name, status, msg }) => ({
      scanner: "kubeconform" as const,
      code: status,
      object: `${kind}/${name}`,
      says: msg,
    }));
  return { passed: summary.valid, findings };
}
