import { afterEach, beforeEach, expect, test } from "vitest";
import { DatabaseUnreachable } from "../../src/database/errors.ts";
import { ApiError } from "../../src/kubernetes/errors.ts";
import { type AttributeName, errorKind, TracedWork } from "../../src/operator/tracing/spans.ts";
import { otlpTracer } from "../../src/telemetry/tracing/otlp.ts";
import { OtlpReceiver, treeOf } from "../support/otlp-receiver.ts";

let collector: OtlpReceiver;
let spans: TracedWork;
beforeEach(async () => {
  collector = new OtlpReceiver();
  const tracer = otlpTracer<AttributeName>({
    url: `${await collector.listen()}/v1/traces`,
    ratio: 1,
    resource: {},
    scope: { name: "test", version: "0" },
    queue: { most: 100, gatherMs: 10 },
    count: () => {},
  });
  spans = new TracedWork(tracer);
});
afterEach(() => collector.close());

const part = (name: string, run = () => Promise.resolve(name)) => spans.part({ name }, run);

test("what is done at the same time for two keys is two traces, each with its own parts", async () => {
  const reconcile = (key: string) =>
    spans.within({ name: `reconcile ${key}` }, async () => {
      await part(`${key} one`, () => part(`${key} inner`));
      return part(`${key} two`);
    });
  expect(await Promise.all([reconcile("a"), reconcile("b"), part("alone")])).toEqual(["a two", "b two", "alone"]);
  await spans.stop(5_000);
  expect(treeOf(collector.spans)).toEqual([
    ["reconcile a", [["a one", ["a inner"]], "a two"]],
    ["reconcile b", [["b one", ["b inner"]], "b two"]],
  ]);
  expect(new Set(collector.spans.map((it) => it.traceId)).size).toBe(2);
});

test("work that was begun within another's begins a trace of its own", async () => {
  await spans.within({ name: "outer" }, () => spans.within({ name: "next" }, () => Promise.resolve()));
  await spans.stop(5_000);
  expect(collector.spans.map((it) => it.parent)).toEqual(["", ""]);
});

test("a failure is passed on, and told by its kind alone", async () => {
  const failure = new DatabaseUnreachable("PLANTED-TEXT");
  const failing = spans.within({ name: "outer" }, () => part("inner", () => Promise.reject(failure)));
  await expect(failing).rejects.toBe(failure);
  await spans.stop(5_000);
  for (const it of collector.spans)
    expect(it).toMatchObject({ status: "error", attributes: { "error.type": failure.reason } });
  expect(collector.raw).not.toContain("PLANTED-TEXT");
  expect([new ApiError(409, "Conflict", "x"), new Error("x")].map(errorKind)).toEqual(["409", "_OTHER"]);
});
