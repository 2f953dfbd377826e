import { POLICY, policyExpression } from "./desired.ts";
import type { DesiredTenant, ObservedPolicy, ObservedRowSecurity } from "./state.ts";
import type { Step } from "./step.ts";

/** One policy and no other: permissive policies add up, so any other one could only let more in. */
export function planRowSecurity(it: ObservedRowSecurity, desired: DesiredTenant): Step[] {
  const { schema, table } = it;
  const expression = policyExpression(desired.names);
  const isWanted = (policy: ObservedPolicy) =>
    policy.name === POLICY &&
    policy.command === "*" &&
    policy.permissive &&
    policy.forPublic &&
    policy.using === expression &&
    policy.check === expression;
  return [
    ...it.policies
      .filter((policy) => !isWanted(policy))
      .map((policy) => ({ kind: "dropPolicy", schema, table, policy: policy.name }) as const),
    ...(it.policies.some(isWanted) ? [] : [{ kind: "createPolicy", schema, table } as const]),
    ...(it.enabled && it.forced ? [] : [{ kind: "enableRowSecurity", schema, table } as const]),
  ];
}
