import { expect, test } from "vitest";
import { RuntimeMetrics } from "./metrics.ts";

const fresh = () => new RuntimeMetrics({ model: "claude-sonnet-5-5", version: "1" });
const lines = async (metrics: RuntimeMetrics, name: string) =>
  (await metrics.registry.metrics()).split("\n").filter((it) => it.startsWith(`${name}{`));

test("the series that alerts look at are there before anything has happened", async () => {
  const text = await fresh().registry.metrics();
  expect(text).toContain('agentpg_runs_total{state="failed"} 0');
  expect(text).toContain('agentpg_model_errors_total{type="overloaded_error"} 0');
  expect(text).toContain('agentpg_requests_refused_total{reason="forbidden"} 0');
  expect(text).toContain('agentpg_approvals_total{outcome="denied"} 0');
  expect(text).toContain('agentpg_model_usd_total{model="claude-sonnet-5-5"} 0');
});

test("an error type that an endpoint made up is no label", async () => {
  const metrics = fresh();
  metrics.modelFailed({ type: 'session 0f9c said "hello"' });
  metrics.modelFailed({ type: "http_599" });
  metrics.runFailed({ type: "budget_exceeded" });
  metrics.runFailed({ type: "of a gateway" });
  const errors = await lines(metrics, "agentpg_model_errors_total");
  expect(errors).toContain('agentpg_model_errors_total{type="other"} 1');
  expect(errors).toContain('agentpg_model_errors_total{type="http_599"} 1');
  expect(await lines(metrics, "agentpg_run_failures_total")).toEqual([
    'agentpg_run_failures_total{type="budget_exceeded"} 1',
    'agentpg_run_failures_total{type="other"} 1',
  ]);
});

test("tools beyond the first 48 share a series, and those that the model made up another", async () => {
  const metrics = fresh();
  for (let i = 0; i < 500; i++) metrics.toolCalled(`tool_${i}`, "ok");
  for (let i = 0; i < 500; i++) metrics.toolCalled(undefined, "invalid");
  metrics.toolCalled("tool_3", "ok");
  const calls = await lines(metrics, "agentpg_tool_calls_total");
  expect(calls).toHaveLength(50);
  expect(calls).toContain('agentpg_tool_calls_total{tool="other",outcome="ok"} 452');
  expect(calls).toContain('agentpg_tool_calls_total{tool="unknown",outcome="invalid"} 500');
  expect(calls).toContain('agentpg_tool_calls_total{tool="tool_3",outcome="ok"} 2');
});
