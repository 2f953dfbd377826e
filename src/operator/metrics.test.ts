import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { createOperatorMetrics } from "./metrics.ts";

/** A metric as prom-client holds it; its types do not tell of the labels. */
interface Registered {
  name: string;
  help: string;
  type: string;
  labelNames: string[];
}

const UNIT = /_(seconds|tokens|usd|ratio)$/;

/** What is wrong with a metric's name or help; undefined: nothing. */
function fault({ name, type, help }: Registered): string | undefined {
  if (name.endsWith("_total") !== (type === "counter")) return "counters, and only they, end in _total";
  const isTime = type === "histogram" || (type === "gauge" && /seconds/.test(help));
  if (isTime && !UNIT.test(name)) return "a time names its unit";
  return /^[A-Z0-9].+\.$/s.test(help) ? undefined : "the help is a sentence";
}

test("counters end in _total, times and histograms name their unit, and every metric says what it is", () => {
  const registry = new Registry();
  createOperatorMetrics(registry, {
    tenants: () => [],
    agents: () => [],
    watches: () => [],
    networkProbe: () => undefined,
    databases: () => [],
  });
  const metrics = (registry.getMetricsAsArray() as unknown as Registered[]).filter(
    (it) => !/^(process|nodejs)_/.test(it.name),
  );
  expect(metrics.length).toBeGreaterThan(25);
  expect(metrics.filter(fault).map((it) => `${it.name}: ${fault(it)}`)).toEqual([]);
});
