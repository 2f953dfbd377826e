import type { Agent } from "../../api/agent.ts";
import { COMFORTABLE_SHARE, fairShare, LEAST_SHARE, limitFor } from "../../api/connection-share.ts";
import type { Condition } from "../../api/resource.ts";
import { ok, type Outcome } from "./conditions.ts";

export interface ConnectionNeed {
  /** `spec.database.connectionLimit`. */
  limit: number;
  /** Pods that the tenant's Agents ask for. */
  pods: number;
  /** Connections are a pooler's business, which queues. */
  isPooled: boolean;
}

export const podsAskedFor = (agents: readonly Agent[]): number => agents.reduce((sum, it) => sum + it.spec.replicas, 0);

/**
 * Whether the pods that are asked for have enough of the login's connections. Undefined: nothing to tell, and nothing was told before.
 * They serve with few, so `Ready` does not mind. Pure.
 */
export function connectionsOutcome(
  { limit, pods, isPooled }: ConnectionNeed,
  previous: Pick<Condition, "status"> | undefined,
): Outcome | undefined {
  const share = isPooled || pods === 0 ? COMFORTABLE_SHARE : fairShare(limit, pods);
  if (share >= COMFORTABLE_SHARE)
    return (
      previous && { ...ok("Enough", `spec.database.connectionLimit is enough for the pods (${pods})`), tolerable: true }
    );
  const isTooSmall = share < LEAST_SHARE;
  const effect = isTooSmall
    ? "they wait for one another's connections, and answers get slow"
    : "they find what other agents ask of them about a second late";
  return {
    status: "False",
    reason: isTooSmall ? "LimitTooSmall" : "LimitTight",
    message: `spec.database.connectionLimit is ${limit}, for ${pods} pods: ${effect}; raise it to ${limitFor(pods, COMFORTABLE_SHARE)} or more, or ask for fewer pods`,
    tolerable: true,
  };
}
