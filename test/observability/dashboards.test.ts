import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { agentRegistry, brokerRegistry, metricsOf, operatorRegistry } from "../../dev/metric-tables.ts";
import { eventually } from "../support/eventually.ts";
import { prometheusMissing, startPrometheus, type TestPrometheus } from "../support/prometheus.ts";
import { alerts, ALERTS_FILE } from "./alerts.ts";
import { type Field, startField } from "./field.ts";
import { dashboards, queries, substituted } from "./panels.ts";

const missing = await prometheusMissing();

/** Queries that rightly give nothing here, by what they are called, and why. */
const NOTHING_TO_SEE: Record<string, string> = {
  "Operator / How long a migration takes / {{result}}": "no schema was behind",
  "Tenants / Rotations under way / {{tenant}} {{step}}": "no password is being changed",
  "Tenants / Being deleted": "no Tenant is",
  "Agents / Hooks / {{hook}} {{outcome}}": "no hooks are loaded",
  "Agents / MCP servers / {{agent}} {{server}}": "no MCP server is configured",
  "Agents / Long conversations / {{outcome}}": "no conversation was too long",
  "Agents / Batches / {{outcome}}": "the agents stream",
  "Security / Failed checks": "none has failed",
  "Security / NetworkPolicies are enforced / enforced": "there are no nodes to send packets from",
  "Security / Personal data and secrets / {{kind}} {{action}}": "nobody wrote any",
};

/** Told by other metrics than those of the tables: of every process, by Prometheus itself, and by the probe of the network. */
const OTHERS = /^(up|process_|nodejs_|agentpg_network_policy_enforced$)/;

const metricNames = (expr: string): string[] =>
  [...expr.replaceAll(/\{[^}]*\}|"[^"]*"|\b(by|without|on)\s*\([^)]*\)/g, "").matchAll(/[a-z_]+(?:_[a-z0-9]+)+/g)]
    .map(([it]) => it)
    .filter((it) => !/^(histogram_quantile|min_over_time|label_values)$/.test(it));

describe("the dashboards", () => {
  test("and the alerts ask for metrics that there are", () => {
    const known = new Set(
      [operatorRegistry(), agentRegistry(), brokerRegistry()].flatMap((registry) =>
        metricsOf(registry).flatMap(({ name, type }) =>
          type === "histogram" ? ["bucket", "sum", "count"].map((it) => `${name}_${it}`) : [name],
        ),
      ),
    );
    const asked = [...queries, ...alerts].flatMap(({ expr }) => metricNames(substituted(expr)));
    expect(asked.length).toBeGreaterThan(100);
    expect([...new Set(asked)].filter((it) => !known.has(it) && !OTHERS.test(it))).toEqual([]);
  });

  test("have panels that say what they tell, in a unit, without overlaps", () => {
    for (const { title, panels } of dashboards) {
      for (const { title: panel, type, description, fieldConfig, gridPos } of panels) {
        if (type === "row") continue;
        expect([title, panel, description?.endsWith("."), fieldConfig?.defaults.unit]).toEqual([
          title,
          panel,
          true,
          expect.any(String),
        ]);
        expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      }
      const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
      );
      expect(new Set(cells).size).toBe(cells.length);
    }
  });
});

describe.skipIf(missing)(
  `a Prometheus that scrapes an operator, agents and a key broker${missing ? `: ${missing}` : ""}`,
  () => {
    let field: Field | undefined;
    let prometheus: TestPrometheus;
    beforeAll(async () => {
      field = await startField();
      prometheus = await startPrometheus(field.scrapeConfigs, ALERTS_FILE);
      // Counters are to be seen growing.
      await eventually(
        () => prometheus.query("agentpg_build_info"),
        (it) => it.length === 2,
      );
      await field.work();
    }, 1_800_000);
    afterAll(async () => {
      await prometheus?.stop();
      await field?.stop();
    });

    test("finds them by the chart's monitors, takes all of what they tell, and labels it as is asked for", async () => {
      const targets = await eventually(
        () => prometheus.targets(),
        (all) => all.length === 4 && all.every((it) => it.health === "up"),
      );
      expect(targets.map((it) => it.lastError)).toEqual(["", "", "", ""]);
      const labels = targets.map(({ labels: { instance: _where, ...it } }) => it);
      const agent = (name: string, pod: string) => ({
        job: "agentpg-agents",
        tenant: "acme",
        agent: name,
        namespace: "acme",
        pod,
        container: "agent",
        endpoint: "metrics",
      });
      expect(labels.sort((a, b) => ((a["pod"] ?? "") < (b["pod"] ?? "") ? -1 : 1))).toEqual([
        agent("sales", "agent-sales-3"),
        agent("support", "agent-support-2"),
        {
          job: "agentpg-operator",
          namespace: "agentpg-system",
          service: "agentpg-metrics",
          pod: "agentpg-1",
          container: "operator",
          endpoint: "metrics",
        },
        {
          job: "agentpg-brokers",
          tenant: "acme",
          namespace: "acme",
          pod: "agentpg-broker-5",
          container: "broker",
          endpoint: "metrics",
        },
      ]);
    });

    test("has exemplars of each latency, and the collector has their traces", async () => {
      for (const name of ["run_duration", "model_call_duration", "tool_call_duration", "time_to_first_token"]) {
        const series = await eventually(
          () => prometheus.exemplars(`agentpg_${name}_seconds_bucket{job="agentpg-agents"}`),
          (it) => it.length > 0,
          10,
        );
        const traces = series.flatMap((it) => it.exemplars.map(({ labels }) => labels["trace_id"]));
        const known = new Set((field as Field).traces.spans.map((it) => it.traceId));
        expect([name, traces.filter((it) => !it || !known.has(it))]).toEqual([name, []]);
      }
    });

    test("has data for each panel of the dashboards", async () => {
      const empty = await eventually(
        async () => {
          const found = await Promise.all(queries.map((it) => prometheus.query(substituted(it.expr))));
          return queries.filter((_, i) => found[i]?.length === 0).map((it) => it.name);
        },
        (names) => names.every((it) => it in NOTHING_TO_SEE),
        20,
      );
      expect(empty.sort()).toEqual(Object.keys(NOTHING_TO_SEE).sort());
    });

    test("has values for the variables of the dashboards", async () => {
      for (const label of ["tenant", "namespace", "agent"]) {
        const found = await prometheus.query(`group by (${label}) (agentpg_build_info)`);
        expect(found.map((it) => it.metric[label]).every(Boolean)).toBe(true);
        expect(found.length).toBeGreaterThan(0);
      }
    });

    test("evaluates each alert without an error, and none is critical but that of the refused key", async () => {
      const rules = await eventually(
        () => prometheus.rules(),
        (all) => all.length === alerts.length && all.every((it) => it.health !== "unknown"),
      );
      expect(rules.filter((it) => it.health !== "ok").map((it) => `${it.name}: ${it.lastError}`)).toEqual([]);
      const results = await Promise.all(alerts.map((it) => prometheus.query(it.expr)));
      const critical = alerts.filter((it, i) => it.labels["severity"] === "critical" && results[i]?.length);
      expect(critical.map((it) => it.alert)).toEqual(["AgentPGModelKeyRefused"]);
    });
  },
);
