import type { SpanEnd } from "../../telemetry/tracing/span.ts";
import { StopWork } from "../engine/stop.ts";
import { modelErrorLabel } from "../metrics/labels.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import type { AttributeName } from "./attributes.ts";
import { usageOf } from "./usage.ts";

/** The end of a model call that brought an answer. */
export const answered = ({ stopReason, tokens, model, id }: ModelAnswer): SpanEnd<AttributeName> => ({
  attributes: {
    ...usageOf(tokens),
    "gen_ai.response.finish_reasons": [stopReason],
    ...(model ? { "gen_ai.response.model": model } : {}),
    ...(id ? { "gen_ai.response.id": id } : {}),
  },
});

/** Of a call that brought none. Work that is stopped is no error, unless its time is over. @param error what was thrown */
export function brokenOff(error: unknown, signal: AbortSignal): SpanEnd<AttributeName> {
  const reason: unknown = signal.aborted ? signal.reason : error;
  if (reason instanceof StopWork)
    return {
      attributes: { "agentpg.stopped": reason.why },
      error: reason.why === "timeout" ? "timeout" : undefined,
    };
  const { type } = error as { type?: unknown };
  return { error: modelErrorLabel(typeof type === "string" ? type : "") };
}
