import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "../../charts/agentpg/files/dashboards");

interface DashboardFile {
  uid: string;
  title: string;
  templating: { list: { name: string; type: string; definition?: string }[] };
  panels: {
    title: string;
    type: string;
    description?: string;
    gridPos: { x: number; y: number; w: number; h: number };
    targets?: { expr: string; legendFormat: string }[];
    fieldConfig?: { defaults: { unit: string } };
  }[];
}

/** The chart's dashboards, as Grafana gets them. */
export const dashboards: readonly DashboardFile[] = readdirSync(FOLDER).map(
  (it) => JSON.parse(readFileSync(join(FOLDER, it), "utf8")) as DashboardFile,
);

/** Each query of a panel, with what it is called: DASHBOARD / PANEL / LEGEND. */
export const queries = dashboards.flatMap(({ title, panels }) =>
  panels.flatMap((panel) =>
    (panel.targets ?? []).map(({ expr, legendFormat }) => ({
      name: `${title.replace("AgentPG / ", "")} / ${panel.title}${legendFormat === "__auto" ? "" : ` / ${legendFormat}`}`,
      expr,
    })),
  ),
);

/** As Grafana would ask with "All" chosen and a short range. */
export const substituted = (expr: string): string =>
  expr
    .replaceAll("$__rate_interval", "30s")
    .replaceAll("$__range", "1m")
    .replaceAll(/\$(tenant|namespace|agent)\b/g, ".*");
