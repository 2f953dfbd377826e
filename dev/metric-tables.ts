// The tables of docs/metrics.md, from the metrics that the programs register.
import { Registry } from "prom-client";
import { BrokerMetrics } from "../src/broker/metrics.ts";
import { createOperatorMetrics } from "../src/operator/metrics.ts";
import { observeMcp, observeProcess } from "../src/runtime/metrics/gauges.ts";
import { RuntimeMetrics } from "../src/runtime/metrics/metrics.ts";
import { withTable } from "./marked-table.ts";

/** A metric as prom-client holds it; its types do not tell of the labels. */
interface RegisteredMetric {
  name: string;
  help: string;
  type: string;
  labelNames?: string[];
}

/** Of prom-client itself, for each Node process. */
const isDefault = ({ name }: RegisteredMetric): boolean => /^(process|nodejs)_/.test(name);

export const metricsOf = (registry: Registry): RegisteredMetric[] =>
  (registry.getMetricsAsArray() as unknown as RegisteredMetric[]).filter((it) => !isDefault(it));

export function operatorRegistry(): Registry {
  const registry = new Registry();
  createOperatorMetrics(registry, {
    tenants: () => [],
    agents: () => [],
    watches: () => [],
    networkProbe: () => undefined,
    databases: () => [],
  });
  return registry;
}

export function agentRegistry(): Registry {
  const { registry } = new RuntimeMetrics({ model: "", version: "" });
  observeMcp(registry, () => []);
  observeProcess(registry, {
    ready: () => true,
    active: () => 0,
    queued: () => 0,
    inBatches: () => 0,
    budgetRatio: () => 0,
    spent: () => ({ day: { usd: 0, tokens: 0 }, month: { usd: 0, tokens: 0 } }),
    pool: () => ({ max: 0, total: 0, idle: 0, waiting: 0 }),
    limits: { concurrentRuns: 0, queuedRuns: 0, budget: {} },
  });
  return registry;
}

export const brokerRegistry = (): Registry =>
  new BrokerMetrics({ ready: () => true, keyPresent: () => true, budgetRatio: () => 0 }).registry;

function tableOf(registry: Registry): string {
  const rows = metricsOf(registry)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, labelNames = [], help }) => {
      const labels = labelNames.map((it) => `\`${it}\``).join(", ") || "—";
      return `| \`${name}\` | ${type} | ${labels} | ${help.replaceAll("|", "\\|")} |`;
    });
  return ["| Name | Type | Labels | Meaning |", "|---|---|---|---|", ...rows].join("\n");
}

/** The page with its tables as they are in the code: each stands between two comments that name it. */
export function withMetricTables(page: string): string {
  const tables = { operator: operatorRegistry(), agent: agentRegistry(), broker: brokerRegistry() };
  return Object.entries(tables).reduce((text, [name, registry]) => withTable(text, name, tableOf(registry)), page);
}
