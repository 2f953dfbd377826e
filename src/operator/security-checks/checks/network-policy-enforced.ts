import { type Check, failed, passed, unknown } from "../outcome.ts";

/** The cluster's network plugin does what the policies say, as the network probe's packets saw: it is the condition NetworkReady that holds it. */
export const networkPolicyEnforced: Check = {
  name: "NetworkPolicyEnforced",
  decide({ tenant }) {
    const seen = tenant.status.conditions?.find(({ type }) => type === "NetworkReady");
    if (seen?.reason === "Enforced") return passed(seen.reason, seen.message);
    if (seen?.reason === "NotEnforced") return failed(seen.reason, seen.message);
    return unknown("NotProbed", seen?.message ?? "whether this cluster enforces NetworkPolicies was not tried yet");
  },
};
