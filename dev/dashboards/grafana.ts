// Grafana's JSON from a short description: rows of panels, laid out from left to right on 24 columns.

/** What is plotted: PromQL, and what a series is called in the legend. */
export type Target = readonly [expr: string, legend?: string];

export interface Panel {
  kind: "timeseries" | "stat" | "bargauge" | "table";
  title: string;
  /** What it tells, and what is bad. Shown behind the panel's (i). */
  about: string;
  unit: Unit;
  targets: readonly Target[];
  /** Of 24 columns. */
  width: number;
  /** From here on it is orange, and red. */
  warn?: readonly [orange: number, red: number];
  /** Small is bad: red below the first, orange below the second. */
  low?: readonly [red: number, orange: number];
  stacked?: boolean;
}
type Unit = "short" | "s" | "percentunit" | "currencyUSD" | "reqps" | "bytes" | "ops";

export interface Dashboard {
  uid: string;
  title: string;
  about: string;
  variables: readonly Variable[];
  rows: readonly { title: string; panels: readonly Panel[] }[];
}

interface Variable {
  name: string;
  label: string;
  query: string;
}

export const TENANT: Variable = {
  name: "tenant",
  label: "Tenant",
  query: "label_values(agentpg_build_info, tenant)",
};
export const NAMESPACE: Variable = {
  name: "namespace",
  label: "Namespace",
  query: 'label_values(agentpg_build_info{tenant=~"$tenant"}, namespace)',
};
export const AGENT: Variable = {
  name: "agent",
  label: "Agent",
  query: 'label_values(agentpg_build_info{tenant=~"$tenant", namespace=~"$namespace"}, agent)',
};

const HEIGHT = { stat: 4, timeseries: 8, bargauge: 8, table: 8 } as const;
const SOURCE = { type: "prometheus", uid: "${datasource}" };

function thresholds({ warn, low }: Panel): object {
  const steps = (colours: (readonly [string, number | null])[]) => ({
    mode: "absolute",
    steps: colours.map(([color, value]) => ({ color, value })),
  });
  if (warn)
    return steps([
      ["green", null],
      ["orange", warn[0]],
      ["red", warn[1]],
    ]);
  if (low)
    return steps([
      ["red", null],
      ["orange", low[0]],
      ["green", low[1]],
    ]);
  return steps([["blue", null]]);
}

function fieldConfig(panel: Panel): object {
  const lines = {
    drawStyle: "line",
    lineWidth: 1,
    fillOpacity: panel.stacked ? 30 : 8,
    showPoints: "never",
    stacking: { mode: panel.stacked ? "normal" : "none" },
    thresholdsStyle: { mode: panel.warn ? "line" : "off" },
  };
  const defaults = { unit: panel.unit, min: 0, thresholds: thresholds(panel) };
  return {
    defaults:
      panel.kind === "timeseries" ? { ...defaults, custom: lines } : { ...defaults, color: { mode: "thresholds" } },
    overrides: [],
  };
}

const OPTIONS: Record<Panel["kind"], object> = {
  timeseries: {
    legend: { displayMode: "table", placement: "bottom", calcs: ["lastNotNull", "max"] },
    tooltip: { mode: "multi", sort: "desc" },
  },
  stat: {
    colorMode: "value",
    graphMode: "area",
    reduceOptions: { calcs: ["lastNotNull"] },
    textMode: "value_and_name",
  },
  bargauge: { orientation: "horizontal", displayMode: "basic", reduceOptions: { calcs: ["lastNotNull"] } },
  table: { showHeader: true, cellHeight: "sm" },
};

function panelJson(panel: Panel, id: number, x: number, y: number): object {
  const { kind, title, about, targets, width } = panel;
  const momentary = kind === "table" || kind === "bargauge";
  return {
    id,
    type: kind,
    title,
    description: about,
    datasource: SOURCE,
    gridPos: { x, y, w: width, h: HEIGHT[kind] },
    fieldConfig: fieldConfig(panel),
    options: OPTIONS[kind],
    targets: targets.map(([expr, legend = ""], i) => ({
      refId: String.fromCodePoint(65 + i),
      datasource: SOURCE,
      expr,
      legendFormat: legend || "__auto",
      ...(momentary ? { instant: true, range: false } : { range: true }),
      ...(kind === "table" ? { format: "table" } : {}),
    })),
    ...(kind === "table" ? { transformations: [{ id: "organize", options: { excludeByName: { Time: true } } }] } : {}),
  };
}

function variableJson({ name, label, query }: Variable): object {
  return {
    name,
    label,
    type: "query",
    datasource: SOURCE,
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    multi: true,
    includeAll: true,
    allValue: ".*",
    current: { text: "All", value: "$__all" },
    sort: 1,
  };
}

/** The panels with their places: a row's title, then its panels; what does not fit into 24 columns begins a new line. */
function layOut(rows: Dashboard["rows"]): object[] {
  const placed: object[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    placed.push({
      id: placed.length + 1,
      type: "row",
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: 24, h: 1 },
    });
    y++;
    let x = 0;
    let height = 0;
    for (const panel of panels) {
      if (x + panel.width > 24) [x, y, height] = [0, y + height, 0];
      placed.push(panelJson(panel, placed.length + 1, x, y));
      x += panel.width;
      height = Math.max(height, HEIGHT[panel.kind]);
    }
    y += height;
  }
  return placed;
}

export function dashboardJson({ uid, title, about, variables, rows }: Dashboard): string {
  const source = { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus", current: {} };
  const links = {
    type: "dashboards",
    title: "AgentPG",
    tags: ["agentpg"],
    asDropdown: true,
    includeVars: true,
    keepTime: true,
  };
  const dashboard = {
    uid,
    title,
    description: about,
    tags: ["agentpg"],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-6h", to: "now" },
    timezone: "browser",
    links: [links],
    templating: { list: [source, ...variables.map(variableJson)] },
    panels: layOut(rows),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

/** A quantile over a histogram's buckets, by these labels. */
export const quantile = (q: number, metric: string, selector: string, ...by: string[]): string =>
  `histogram_quantile(${q}, sum by (${["le", ...by].join(", ")}) (rate(${metric}_bucket{${selector}}[$__rate_interval])))`;
