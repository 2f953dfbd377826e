import { RunFailed } from "../engine/stop.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import type { CompactedWork } from "./compacted-work.ts";
import type { Compactor } from "./compactor.ts";

const isFull = (error: unknown): boolean => error instanceof RunFailed && error.type === "context_full";
/** The answer was cut off because the window was full. */
const ranOut = ({ stopReason }: ModelAnswer): boolean => stopReason === "model_context_window_exceeded";

/**
 * Asks the model with a conversation that fits: compacted beforehand when it is nearly full, and once more when the API finds that
 * it is too long all the same.
 * @param ask one call with the messages of the work as they are then
 * @throws RunFailed `context_full` when it does not fit, whatever is done
 */
export async function askWithinWindow(
  compactor: Compactor,
  work: CompactedWork,
  model: string,
  ask: () => Promise<ModelAnswer>,
): Promise<ModelAnswer> {
  await compactor.whenFull(work);
  let answer = await ask().catch(unlessFull);
  if (answer === undefined || ranOut(answer)) {
    if (answer) forget(work, model, answer);
    if (!(await compactor.whenRefused(work))) return compactor.giveUp(work);
    answer = await ask().catch(unlessFull);
  }
  if (answer === undefined || ranOut(answer)) {
    if (answer) forget(work, model, answer);
    return compactor.giveUp(work);
  }
  compactor.answered(work, answer.tokens);
  return answer;
}

function unlessFull(error: unknown): undefined {
  if (!isFull(error)) throw error;
}

/** Half an answer is none; it has cost all the same. */
function forget(work: CompactedWork, model: string, answer: ModelAnswer): void {
  work.spent(model, answer.tokens, answer.batched);
  work.channel.part({ type: "restarted", data: { reason: "context_full" } });
}
