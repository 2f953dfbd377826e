import type { AgentConfig } from "../../api/agent-config.ts";

/** In tokens. */
export interface ContextLimits {
  window: number;
  /** From there on the conversation is compacted. */
  trigger: number;
  target: number;
  protectedTokens: number;
}

/** What the settings mean for a model with this window. The answer has to fit as well, and a target must be a gain. */
export function contextLimits(
  { compaction, maxOutputTokens }: Pick<AgentConfig, "compaction" | "maxOutputTokens">,
  window: number,
): ContextLimits {
  const room = Math.max(window - maxOutputTokens, window / 2);
  const trigger = Math.floor(Math.min(window * compaction.triggerRatio, room));
  const target = Math.floor(Math.min(compaction.targetTokens, trigger * 0.9));
  return { window, trigger, target, protectedTokens: Math.min(compaction.protectedTokens, target) };
}
