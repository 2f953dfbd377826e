import type { Condition } from "../../../api/resource.ts";
import type { OperatorConfig } from "../../config.ts";
import type { Outcome } from "../../tenant/conditions.ts";
import { type Enforcement, notProbed } from "./verdict.ts";

const PLACED = "default-deny and allow policies are in place";
const REMEDY =
  "use a network plugin that enforces NetworkPolicy, such as Cilium or Calico; until then what keeps others from agents is the check of their token, and nothing limits where agents connect to";

/** After a start of the operator, until its first probe, what the last one saw still stands. */
function remembered(previous: Pick<Condition, "reason" | "status" | "message"> | undefined): Outcome | undefined {
  if (previous?.reason !== "Enforced" && previous?.reason !== "NotEnforced") return undefined;
  return { status: previous.status, reason: previous.reason, message: previous.message };
}

/** `NetworkReady` of a Tenant whose policies are in place. Pure. */
export function networkOutcome(
  seen: Enforcement | undefined,
  previous: Condition | undefined,
  { enabled, required }: OperatorConfig["networkProbe"],
): Outcome {
  const kept = enabled && !seen ? remembered(previous) : undefined;
  if (kept) return { ...kept, tolerable: !required };
  const { state, message } =
    seen ?? notProbed(enabled ? "the first probe has not ended yet" : "networkProbe.enabled is false");
  if (state === "Enforced") return { status: "True", reason: state, message: `${PLACED}, and enforced: ${message}` };
  if (state === "NotEnforced")
    return {
      status: "False",
      reason: state,
      message: `${PLACED}, but this cluster does not enforce them: ${message}: ${REMEDY}`,
      tolerable: !required,
    };
  return {
    status: required ? "Unknown" : "True",
    reason: state,
    message: `${PLACED}; whether this cluster enforces them is not known: ${message}`,
  };
}
