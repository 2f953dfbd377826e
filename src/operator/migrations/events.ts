import type { RolloutState, RolloutTarget, TenantFailure } from "../../database/migration-rollout.ts";
import { allowedFailures } from "./failure-budget.ts";
import { canaryRing, countsAsFailed, type RolloutPicture } from "./rollout.ts";

/** What happens to a rollout. */
export type RolloutEvent =
  | { type: "succeeded"; uid: string }
  | { type: "failed"; uid: string; kind: TenantFailure["kind"]; message: string }
  | { type: "pausedByHand" }
  | { type: "resumed" };

const RESUME = "mend it, then `agentpg migrate resume`; `agentpg migrate status` lists what failed";

/** The state after an event; the same object if nothing changed. Pure. @param now milliseconds since 1970 */
export function afterEvent(picture: RolloutPicture, event: RolloutEvent, now: number): RolloutState {
  const { state } = picture;
  switch (event.type) {
    case "succeeded": {
      const { [event.uid]: failure, ...failures } = state.failures;
      return failure ? { ...state, failures } : state;
    }
    case "failed":
      return afterFailure(picture, event, now);
    case "pausedByHand":
      return {
        ...state,
        paused: {
          reason: "PausedByHand",
          message: "paused by `agentpg migrate pause`; go on with `agentpg migrate resume`",
        },
      };
    case "resumed":
      // Failures go too: what failed is tried again at once, and the budget is whole again.
      return state.paused || Object.keys(state.failures).length > 0
        ? { ...state, paused: undefined, failures: {} }
        : state;
  }
}

function afterFailure(picture: RolloutPicture, event: RolloutEvent & { type: "failed" }, now: number): RolloutState {
  const { uid, kind, message } = event;
  const attempts = (picture.state.failures[uid]?.attempts ?? 0) + 1;
  const failure = { kind, message, attempts, retryAt: now + backOffMs(kind, attempts) };
  const state = { ...picture.state, failures: { ...picture.state.failures, [uid]: failure } };
  return state.paused ? state : { ...state, paused: pauseAfter({ ...picture, state }, uid) };
}

/** A lock may be free in a moment; SQL that fails seldom mends itself. */
export function backOffMs(kind: TenantFailure["kind"], attempts: number): number {
  const [first, longest] = kind === "blocked" ? [2_000, 300_000] : [60_000, 1_800_000];
  return Math.min(longest, first * 2 ** Math.min(attempts - 1, 20));
}

/** Why the rollout pauses now that `uid` failed, if it does. */
function pauseAfter(picture: RolloutPicture, uid: string): RolloutState["paused"] {
  const { state, tenants, limits } = picture;
  const failure = state.failures[uid];
  if (!failure || !countsAsFailed(failure)) return undefined;
  const canary = canaryRing(picture).find((it) => it.uid === uid);
  if (canary)
    return { reason: "CanaryFailed", message: `the rollout is paused: canary ${canary.name} failed; ${RESUME}` };
  const failed = tenants.filter(
    (it) => it.uid in state.failures && countsAsFailed(state.failures[it.uid] as TenantFailure),
  );
  const allowed = allowedFailures(limits.failureBudget, tenants.length);
  if (failed.length <= allowed) return undefined;
  return {
    reason: "FailureBudgetSpent",
    message: `the rollout is paused: ${failed.length} of ${tenants.length} tenants failed, the failure budget is ${allowed}; ${RESUME}`,
  };
}

/** The rollout to this target: the stored one if it is that, else a new one. A pause by hand holds for every target. */
export function rolloutTo(target: RolloutTarget, stored: RolloutState | undefined): RolloutState {
  if (stored?.target.version === target.version && stored.target.checksum === target.checksum) return stored;
  const paused = stored?.paused?.reason === "PausedByHand" ? stored.paused : undefined;
  return { target, paused, failures: {} };
}
