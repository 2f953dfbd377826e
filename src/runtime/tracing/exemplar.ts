import type { TraceParent } from "../../telemetry/tracing/span.ts";
import { parseTraceParent } from "../../telemetry/tracing/trace-parent.ts";

/** Labels of an exemplar: a trace in which what was measured can be looked at. */
export type Exemplar = { trace_id: string };

/** Undefined: there is no such trace, or it is not kept. */
export function exemplarOf(trace: TraceParent | null | undefined): Exemplar | undefined {
  const parsed = trace ? parseTraceParent(trace) : undefined;
  return parsed?.sampled ? { trace_id: parsed.traceId } : undefined;
}
