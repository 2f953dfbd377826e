import { type Check, unknown } from "../outcome.ts";

/** The cluster's network plugin does what the policies say. */
export const networkPolicyEnforced: Check = {
  name: "NetworkPolicyEnforced",
  decide: () => unknown("NotProbed", "whether this cluster's network plugin enforces NetworkPolicies was not tried"),
};
