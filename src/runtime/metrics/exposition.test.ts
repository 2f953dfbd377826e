import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { asksForOpenMetrics, exposition } from "./exposition.ts";

/** As Prometheus 2 asks. */
const PROMETHEUS =
  "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

function aRegistry() {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: "a_total", help: "h", labelNames: ["x"], registers }).inc({ x: "1" }, 3);
  const read = function (this: Gauge) {
    this.set(7);
  };
  new Gauge({ name: "b", help: "h", registers, collect: read });
  const histogram = new Histogram<"trace_id">({
    name: "c",
    help: "h",
    buckets: [1, 2],
    registers: [],
    enableExemplars: true,
  });
  registry.registerMetric(histogram);
  histogram.observe({ labels: {}, value: 1.5, exemplarLabels: { trace_id: "abc" } });
  histogram.observe({ labels: {}, value: 0.5, exemplarLabels: {} });
  return registry;
}

test("who does not ask gets the plain text, without exemplars", async () => {
  for (const accept of [undefined, "*/*", "text/plain"]) {
    const { type, text } = await exposition(aRegistry(), accept);
    expect(type).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text).toContain('a_total{x="1"} 3\n');
    expect(text).not.toContain("abc");
  }
});

test("who asks gets OpenMetrics, with exemplars, and everything else as in the plain text", async () => {
  const { type, text } = await exposition(aRegistry(), PROMETHEUS);
  expect(type).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
  expect(text).toContain("# TYPE a counter\n");
  expect(text).toContain('a_total{x="1"} 3\n');
  expect(text).toContain("b 7\n");
  expect(text).toContain('c_bucket{le="1"} 1\n');
  expect(text).toMatch(/c_bucket\{le="2"\} 2 # \{trace_id="abc"\} 1\.5 \d+\.\d+\n/);
  expect(text.endsWith("# EOF\n")).toBe(true);
});

test("one scraper's OpenMetrics changes nothing for another", async () => {
  const registry = aRegistry();
  const before = await exposition(registry, undefined);
  const open = await exposition(registry, PROMETHEUS);
  expect(await exposition(registry, undefined)).toEqual(before);
  expect((await exposition(registry, PROMETHEUS)).text).toBe(open.text);
});

test.each([
  ["application/openmetrics-text", true],
  [PROMETHEUS, true],
  ["text/plain, application/openmetrics-text; version=1.0.0", true],
  ["application/openmetrics-text2", false],
  ["text/html", false],
  [undefined, false],
])("Accept: %s asks for OpenMetrics: %s", (accept, asked) => {
  expect(asksForOpenMetrics(accept)).toBe(asked);
});
