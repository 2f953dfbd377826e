import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { another, EVERYTHING, leavesOf, withValue } from "../../dev/chart-values.ts";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { run } from "../../src/local-cluster/run.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";

const chart = join(import.meta.dirname, "../../charts/agentpg");

// Helm takes 0.1 s of CPU for each of about a hundred values.
test("each value of the chart changes what is rendered", async () => {
  const { helm } = await ensureTools(["helm"], silentProgress);
  const template = (values: object) =>
    run(helm, ["template", "x", chart, "--values", "-"], { input: JSON.stringify(values) });
  const leaves = leavesOf(parse(readFileSync(join(chart, "values.yaml"), "utf8")) as Record<string, unknown>);
  const before = await template(EVERYTHING);
  const without: string[] = [];
  const waiting = leaves.values();
  const lane = async () => {
    for (const leaf of waiting)
      if ((await template(withValue(EVERYTHING, leaf.path, another(leaf)))) === before)
        without.push(leaf.path.join("."));
  };
  await Promise.all([lane(), lane(), lane()]);
  expect(leaves.length).toBeGreaterThan(60);
  expect(without).toEqual([]);
}, 120_000);
