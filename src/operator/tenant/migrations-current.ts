import type { EnsuredTenant } from "../../database/tenants.ts";
import type { Refusal } from "../migrations/rollout.ts";
import { failed, ok, type Outcome } from "./conditions.ts";

/** A schema that is behind serves all the same: every migration works with the runtime before it (docs/operations.md). */
export function migrationsOutcome(refusal: Refusal | undefined, { to }: EnsuredTenant["migrations"]): Outcome {
  if (!refusal) return ok("Current", `the schema is at migration ${to}`);
  const { reason, message, retryAfterMs } = refusal;
  const outcome = { ...failed(reason, `the schema is at migration ${to}: ${message}`), tolerable: true };
  return retryAfterMs === undefined ? outcome : { ...outcome, retryAfterMs };
}
