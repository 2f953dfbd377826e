import { setTimeout as sleep } from "node:timers/promises";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { silentLogger } from "../telemetry/log.ts";
import { Controller } from "./controller.ts";
import { TerminalError } from "./errors.ts";
import { ControllerMetrics } from "./metrics.ts";

/** A controller named `sheep` that does what its keys say. */
function aController() {
  const registry = new Registry();
  const metrics = new ControllerMetrics(registry);
  const outcomes: Record<string, () => object> = {
    fine: () => ({}),
    later: () => ({ requeueAfterMs: 60_000 }),
    broken: () => {
      throw new Error("broken");
    },
    hopeless: () => {
      throw new TerminalError("hopeless");
    },
  };
  const reconcile = async (key: string) => {
    await sleep(key === "slow" ? 200 : 1);
    return (outcomes[key] ?? (() => ({})))();
  };
  const controller = new Controller({ name: "sheep", reconcile, concurrency: 3, logger: silentLogger, metrics });
  const lines = async () => (await registry.metrics()).split("\n");
  return { controller, metrics, lines };
}

test("a controller's series are there before anything happened", async () => {
  const { lines } = aController();
  expect(await lines()).toEqual(
    expect.arrayContaining([
      'controller_runtime_reconcile_total{controller="sheep",result="success"} 0',
      'controller_runtime_reconcile_errors_total{controller="sheep"} 0',
      'controller_runtime_active_workers{controller="sheep"} 0',
      'controller_runtime_max_concurrent_reconciles{controller="sheep"} 3',
      'workqueue_depth{name="sheep",controller="sheep",priority="0"} 0',
      'workqueue_adds_total{name="sheep",controller="sheep"} 0',
      'workqueue_longest_running_processor_seconds{name="sheep",controller="sheep"} 0',
    ]),
  );
});

test("what became of each key is counted, and a drain waits for the one in work", async () => {
  const { controller, lines } = aController();
  const stopping = new AbortController();
  for (const key of ["fine", "later", "broken", "hopeless"]) controller.queue.add(key);
  const running = controller.run(stopping.signal);
  await expect.poll(() => controller.queue.depth + controller.queue.active).toBe(0);
  controller.queue.add("slow");
  await expect.poll(() => controller.queue.active).toBe(1);
  controller.queue.add("never", "low"); // taken by another worker before the end, or not at all
  stopping.abort();
  await running;
  expect(controller.queue.active).toBe(0);
  const seen = await lines();
  expect(seen).toEqual(
    expect.arrayContaining([
      'controller_runtime_reconcile_total{controller="sheep",result="requeue_after"} 1',
      'controller_runtime_reconcile_total{controller="sheep",result="error"} 2',
      'controller_runtime_reconcile_errors_total{controller="sheep"} 2',
      'controller_runtime_terminal_reconcile_errors_total{controller="sheep"} 1',
      'workqueue_retries_total{name="sheep",controller="sheep"} 1',
    ]),
  );
  expect(seen.find((line) => line.startsWith("workqueue_work_duration_seconds_count"))).toMatch(/ [56]$/);
});

test("a controller says when it had looked at all there was when it began", async () => {
  const { controller, lines } = aController();
  const caughtUp = async () =>
    Number((await lines()).find((it) => it.startsWith("agentpg_controller_caught_up"))?.split(" ")[1]);
  for (const key of ["fine", "slow", "later"]) controller.queue.add(key, "low");
  const stopping = new AbortController();
  const before = Date.now() / 1000;
  const running = controller.run(stopping.signal);
  await sleep(50);
  expect(await caughtUp()).toBe(0); // one is still worked on
  await expect.poll(caughtUp).toBeGreaterThanOrEqual(before);
  const first = await caughtUp();
  controller.queue.add("fine");
  await sleep(20);
  expect(await caughtUp()).toBe(first);
  stopping.abort();
  await running;
});
