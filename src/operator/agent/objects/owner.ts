import type { Agent } from "../../../api/agent.ts";
import { API_VERSION } from "../../../api/resource.ts";
import type { OwnerReference } from "../../../kubernetes/object.ts";

/** What an Agent owns goes with it: the garbage collector sees to that. Its NetworkPolicy stays longer, see `left-policy.ts`. */
export const controllerOf = (agent: Agent): OwnerReference => ({
  apiVersion: API_VERSION,
  kind: "Agent",
  name: agent.metadata.name,
  uid: agent.metadata.uid,
  controller: true,
  blockOwnerDeletion: true,
});

/** The name of everything that is made for an Agent. */
export const ownedName = ({ metadata: { name } }: { metadata: { name: string } }): string => `agent-${name}`;
