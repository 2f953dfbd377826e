import { setTimeout as sleep } from "node:timers/promises";

/** So many keys that wait at once are a backlog: a start, or a fleet that was created. */
export const BACKLOG = 500;
/** In seconds: how long nothing waits before it is over, and how far collections are apart. */
const QUIET = 5;
const APART = 300;

/** Says when it is time to collect what a backlog left behind, once it is worked off. Pure; asked once a second. */
export function backlogWatch(): (waiting: number) => boolean {
  let hadBacklog = false;
  let quiet = 0;
  let since = APART;
  return (waiting) => {
    hadBacklog ||= waiting >= BACKLOG;
    quiet = waiting === 0 ? quiet + 1 : 0;
    since++;
    if (!hadBacklog || quiet < QUIET || since < APART) return false;
    hadBacklog = false;
    since = 0;
    return true;
  };
}

/** Collects after each backlog, until `signal` aborts. */
export async function collectAfterBacklogs(waiting: () => number, collect: () => void, signal: AbortSignal) {
  const isTime = backlogWatch();
  while (!signal.aborted) {
    if (isTime(waiting())) collect();
    await sleep(1_000, undefined, { signal, ref: false }).catch(() => {});
  }
}
