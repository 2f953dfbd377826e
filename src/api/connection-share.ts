/** The pods of a tenant share the connections that its login may have; operator and pods count them in the same way. */

/** Connections of one pod, from which on it lacks nothing: it hears of delegated work at once, instead of looking every second. */
export const COMFORTABLE_SHARE = 4;
/** One for runs, one for tools. With fewer, pods wait for one another. */
export const LEAST_SHARE = 2;

/** What stays free for pods that start, and for people: a tenth, but some. */
const reserved = (limit: number): number => Math.min(10, Math.max(2, Math.ceil(limit / 10)));

/** How many of `limit` connections each of so many pods may have. */
export const fairShare = (limit: number, pods: number): number =>
  Math.floor((limit - reserved(limit)) / Math.max(1, pods));

/** The smallest limit of which each of so many pods may have `share` connections. */
export function limitFor(pods: number, share: number): number {
  let limit = pods * share;
  while (fairShare(limit, pods) < share) limit++; // 10 times at most
  return limit;
}
