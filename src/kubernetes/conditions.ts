/** `metav1.Condition` without its times. */
export interface ConditionInput {
  type: string;
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
}

interface Stored extends ConditionInput {
  lastTransitionTime: string;
  observedGeneration?: number;
}

/**
 * The conditions after these facts: `lastTransitionTime` moves only when the status does; types that are not named go.
 * @param now RFC 3339
 */
export function nextConditions(
  previous: readonly Stored[],
  wanted: readonly ConditionInput[],
  generation: number,
  now: string,
): Stored[] {
  return wanted.map(({ type, status, reason, message }) => {
    const before = previous.find((it) => it.type === type);
    return {
      type,
      status,
      observedGeneration: generation,
      lastTransitionTime: before && before.status === status ? before.lastTransitionTime : now,
      reason,
      message,
    };
  });
}
