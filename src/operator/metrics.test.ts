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

const UNITS = /_(seconds|tokens|usd|ratio)$/;

test("counters end in _total, times and histograms name their unit, and every metric says what it is", () => {
  const registry = new Registry();
  createOperatorMetrics(registry, { tenants: () => [], agents: () => [], watches: () => [] });
  const metrics = (registry.getMetricsAsArray() as unknown as Registered[]).filter(
    (it) => !/^(process|nodejs)_/.test(it.name),
  );
  expect(metrics.length).toBeGreaterThan(25);
  for (const { name, type, help } of metrics) {
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
    if (type === "histogram") expect(name).toMatch(UNITS);
    if (/seconds/.test(help) && type === "gauge") expect(name).toMatch(UNITS);
    expect(help).toMatch(/^[A-Z0-9].+\.$/s);
  }
});
