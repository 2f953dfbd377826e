import type { AgentConfig } from "../../api/agent-config.ts";
import type { Caller } from "./caller.ts";
import { Problem } from "./problems.ts";

/** As whom somebody decides; `undefined`: not at all. */
export type DecidesAs = "owner" | "approver" | undefined;

/** As whom the caller decides on calls of this user's sessions. */
export function decidesAs({ approvals }: Pick<AgentConfig, "approvals">, owner: string, caller: Caller): DecidesAs {
  if (owner === caller.userId) return (approvals?.ownerMayDecide ?? true) ? "owner" : undefined;
  return caller.approver ? "approver" : undefined;
}

/** Why the caller does not decide. */
export function notYoursToDecide(
  { approvals }: Pick<AgentConfig, "approvals">,
  owner: string,
  caller: Caller,
): Problem {
  if (owner === caller.userId)
    return new Problem(
      403,
      "somebody else decides on the calls of your own session: ask a person with an approver role",
    );
  const others = approvals?.approverRoles.length
    ? ", or somebody with an approver role, which your token does not have"
    : "";
  return new Problem(403, `the owner of the session decides on its calls${others}`);
}
