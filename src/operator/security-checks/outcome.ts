import type { SecurityCheck, SecurityCheckName } from "../../api/security-checks.ts";
import type { Observation } from "./observation.ts";

/**
 * What one look found. The message holds nothing that changes by itself, such as an age or a count of requests: each change of it
 * is a write of the Tenant.
 */
export type CheckOutcome = Pick<SecurityCheck, "status" | "reason" | "message">;

/** Decides one row. Pure. */
export interface Check {
  name: SecurityCheckName;
  decide(observed: Observation): CheckOutcome;
}

export const passed = (reason: string, message: string): CheckOutcome => ({ status: "Passed", reason, message });
export const failed = (reason: string, message: string): CheckOutcome => ({ status: "Failed", reason, message });
export const unknown = (reason: string, message: string): CheckOutcome => ({ status: "Unknown", reason, message });

/** The first of them, and how many more there are. */
export function some(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
