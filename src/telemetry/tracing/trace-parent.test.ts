import { expect, test } from "vitest";
import { parseTraceParent, traceParent } from "./trace-parent.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

test("a traceparent is read and written", () => {
  const text = `00-${TRACE}-${SPAN}-01`;
  expect(parseTraceParent(text)).toEqual({ traceId: TRACE, spanId: SPAN, sampled: true });
  expect(traceParent({ traceId: TRACE, spanId: SPAN, sampled: true })).toBe(text);
  expect(parseTraceParent(`00-${TRACE}-${SPAN}-02`)?.sampled).toBe(false);
});

test("a later version is read as far as it is known, and written as this one", () => {
  expect(parseTraceParent(`cc-${TRACE}-${SPAN}-01-what-the-future-brings`)?.traceId).toBe(TRACE);
});

test.each([
  ["nothing", undefined],
  ["something else", "b3: 0"],
  ["the version that is none", `ff-${TRACE}-${SPAN}-01`],
  ["more than this version has", `00-${TRACE}-${SPAN}-01-more`],
  ["a trace of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
  ["a span of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["capitals", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
  ["two of them", `00-${TRACE}-${SPAN}-01,00-${TRACE}-${SPAN}-01`],
])("%s is no traceparent", (_what, text) => {
  expect(parseTraceParent(text)).toBeUndefined();
});
