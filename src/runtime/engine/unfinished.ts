import type { ContentBlock } from "../../database/runs/run.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import { RunFailed } from "./stop.ts";

const isCall = (it: ContentBlock): boolean => it.type === "tool_use";

/**
 * Why a run cannot end with an answer, or go on with it: the model refused, was cut off in a tool call (which is not made, for half an
 * input is none), or said nothing at all.
 * @param said what of the answer is kept
 */
export function unfinished(
  { stopReason, content }: ModelAnswer,
  said: ContentBlock[],
  { maxOutputTokens, firstTurn }: { maxOutputTokens: number; firstTurn: boolean },
): RunFailed | undefined {
  if (stopReason === "refusal")
    return new RunFailed(
      "refusal",
      "the model refused to answer: ask otherwise; when it refuses that too, begin a new session without what it refused",
    );
  if (content.some(isCall) && !said.some(isCall)) return callNotMade(stopReason, maxOutputTokens);
  if (!said.length && firstTurn && stopReason !== "pause_turn")
    return new RunFailed("empty_answer", `the model ended its turn without a word (${stopReason}): ask again`);
  return undefined;
}

const callNotMade = (stopReason: string, maxOutputTokens: number): RunFailed =>
  stopReason === "max_tokens"
    ? new RunFailed(
        "max_tokens",
        `the answer was cut off in a tool call, which was not made: ${maxOutputTokens} tokens (maxOutputTokens of the Agent) were too few, raise it or ask for less at once`,
      )
    : new RunFailed(
        "unknown_stop_reason",
        `the model called a tool but stopped for another reason (${stopReason}), so the call was not made: ask again, or choose another spec.model`,
      );
