import type { ContentBlock } from "../../database/runs/run.ts";
import { textOf } from "../model/accumulate.ts";
import { asAnnotations, isClean, kindsIn } from "../pii/protection.ts";
import type { Execution } from "./execution.ts";
import { RunFailed } from "./stop.ts";

/**
 * What the model said and calls, as the agent's policy for personal data lets it be stored, run, and shown to hooks.
 * @throws RunFailed `blocked`; what was streamed of the answer is void then
 */
export function protectedAnswer(said: ContentBlock[], execution: Execution): ContentBlock[] {
  const { protection } = execution.host;
  if (!protection) return said;
  const { value, counts } = protection.answer(said);
  if (isClean(counts)) return value;
  const blocks = protection.policy === "Block";
  execution.note("answer.checked", { success: !blocks, pii: asAnnotations(counts) });
  if (!blocks) return value;
  if (textOf(said)) execution.channel.part({ type: "restarted", data: { reason: "blocked" } });
  throw new RunFailed("blocked", `the answer was withheld: it holds personal data (${kindsIn(counts)})`);
}
