import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** A rule of the chart's alerts, as Prometheus takes it. */
interface Alert {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export const ALERTS_FILE = join(import.meta.dirname, "../../charts/agentpg/files/alerts.yaml");

const { groups } = parse(readFileSync(ALERTS_FILE, "utf8")) as { groups: { rules: Alert[] }[] };
export const alerts: readonly Alert[] = groups.flatMap((it) => it.rules);
