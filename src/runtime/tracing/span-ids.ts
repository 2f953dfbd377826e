import { parseTraceParent, traceParent } from "../../telemetry/tracing/trace-parent.ts";
import type { TraceParent } from "../../telemetry/tracing/span.ts";

/**
 * The id of a run's span is the end of the run's own id. So each pod that works on a run, one after the other, puts its calls below
 * the same span, and whoever ends the run sends that.
 */
export const runSpanId = (runId: string): string => runId.replaceAll("-", "").slice(16);

/** Of the call that asked for a run of another agent: it begins in one process and is answered in another. Differs from the run's in the UUID's variant. */
export function callSpanId(childRun: string): string {
  const id = runSpanId(childRun);
  return (Number.parseInt(id.charAt(0), 16) ^ 8).toString(16) + id.slice(1);
}

/** The place of another span in the same trace. */
export function within(trace: TraceParent, spanId: string): TraceParent {
  const parsed = parseTraceParent(trace);
  return parsed ? traceParent({ ...parsed, spanId }) : trace;
}

/** When a UUIDv7 was made, in milliseconds since the epoch. */
export const madeAt = (uuid: string): number => Number.parseInt(uuid.replaceAll("-", "").slice(0, 12), 16);
