import type { Agent } from "../../../api/agent.ts";
import { API_VERSION } from "../../../api/resource.ts";
import type { OwnerReference } from "../../../kubernetes/object.ts";

/** What an Agent owns goes with it: the garbage collector sees to that. */
export const controllerOf = (agent: Agent): OwnerReference => ({
  apiVersion: API_VERSION,
  kind: "Agent",
  name: agent.metadata.name,
  uid: agent.metadata.uid,
  controller: true,
  blockOwnerDeletion: true,
});

/** The name of everything an Agent owns. */
export const ownedName = (agent: Agent): string => `agent-${agent.metadata.name}`;
