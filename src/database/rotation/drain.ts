/** How long a rotation waits for what; seconds. */
export interface DrainLimits {
  /** After that, somebody is told. */
  stuckSeconds: number;
  /** After that, connections of the old login that no pod accounts for are ended, whatever they do. */
  graceSeconds: number;
  /** A connection of the old login that did nothing for so long belongs to nobody: to a pooler, or to a forgotten terminal. */
  quietSeconds: number;
  /** How long pods that run and have not reported yet are waited for: the kubelet may have given them the old Secret. */
  startSeconds: number;
}

/** Well above what a pod can need: the kubelet takes a minute and a half, the longest `sql` tool an hour (`toolTimeoutSeconds`). */
export const DRAIN_LIMITS: DrainLimits = {
  stuckSeconds: 600,
  graceSeconds: 3_900,
  quietSeconds: 120,
  startSeconds: 120,
};

/** Connections of one login. */
export interface LoginSessions {
  /** In a statement or a transaction. */
  working: number;
  /** Idle, but not for long. */
  idle: number;
  /** Idle for longer than `quietSeconds`. */
  quiet: number;
}

/** Who still uses the old login. */
export interface Drain {
  /** Living pods that report other credentials than the published ones. */
  behind: string[];
  /** Pods that run and have reported nothing. */
  silent: string[];
  sessions: LoginSessions;
  /** Since the new credentials were published. */
  seconds: number;
}

export type DrainVerdict =
  | { done: true; endsWork: number }
  /** `stuck`: somebody has to act. */
  | { done: false; waitingFor: string; stuck: boolean };

/** In one order, so that a status that says it changes only when they do. */
function list(unordered: string[]): string {
  const names = unordered.toSorted();
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}

/**
 * Whether the old login can be closed so that no query fails. Pure.
 * A living pod that uses it is waited for without end: to close it would fail that pod's queries, to end the pod does not.
 * A connection that no pod accounts for is waited for within the grace: all that the runtime does on one ends within it.
 */
export function judgeDrain({ behind, silent, sessions, seconds }: Drain, limits: DrainLimits): DrainVerdict {
  const stuck = seconds > limits.stuckSeconds;
  if (behind.length > 0) {
    const remedy = stuck ? ": delete these pods, their successors start with the new one" : "";
    return { done: false, stuck, waitingFor: `pods that still use the old login (${list(behind)})${remedy}` };
  }
  if (silent.length > 0 && seconds <= limits.startSeconds)
    return { done: false, stuck: false, waitingFor: `pods that have just started (${list(silent)})` };
  const open = sessions.working + sessions.idle;
  if (open > 0 && seconds <= limits.graceSeconds) {
    const remedy = stuck ? `: look at them in pg_stat_activity; after ${limits.graceSeconds} s they are ended` : "";
    const waitingFor = `${open} connections of the old login (${sessions.working} at work)${remedy}`;
    return { done: false, stuck, waitingFor };
  }
  return { done: true, endsWork: open };
}
