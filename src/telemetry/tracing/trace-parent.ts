import type { TraceParent } from "./span.ts";

const TRACE_PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

export interface ParsedTraceParent {
  traceId: string;
  spanId: string;
  sampled: boolean;
}

/** W3C Trace Context, §3.2: of a version that is not known yet, what all versions begin with. Undefined: it is none, and a new trace begins. */
export function parseTraceParent(text: string | undefined): ParsedTraceParent | undefined {
  const [, version, traceId = "", spanId = "", flags = "", more] = TRACE_PARENT.exec(text ?? "") ?? [];
  if (!version || version === "ff" || (version === "00" && more)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export const traceParent = ({ traceId, spanId, sampled }: ParsedTraceParent): TraceParent =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
