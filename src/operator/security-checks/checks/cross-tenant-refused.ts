import { isUnseen } from "../observation.ts";
import { type Check, failed, passed, some, unknown } from "../outcome.ts";

/** The tenant's own login, with its own password, is refused what belongs to others. */
export const crossTenantRefused: Check = {
  name: "CrossTenantRefused",
  decide({ probe }) {
    if (isUnseen(probe)) return unknown("NotTried", probe.unseen);
    const letIn = probe.attempts.filter(({ result }) => result === "let in");
    if (letIn.length > 0)
      return failed(
        "LetIn",
        `the tenant's own login was let into ${some(letIn.map(({ what }) => what))}: somebody granted more than the operator does; the operator takes it back at its next look at the other tenant, or names the statement in its condition DatabaseReady`,
      );
    const odd = probe.attempts.flatMap(({ what, result }) =>
      typeof result === "object" ? [`${what}: ${result.code}`] : [],
    );
    if (odd.length > 0) return unknown("Inconclusive", `neither let in nor refused (SQLSTATE): ${some(odd)}`);
    return passed(
      "Refused",
      `logged in as the tenant and tried ${probe.attempts.map(({ what }) => what).join(", ")}: each was refused with SQLSTATE 42501`,
    );
  },
};
