import type { Tenant } from "../../api/tenant.ts";
import { dueAt } from "../../database/rotation/due.ts";
import type { EnsuredCredentials } from "../../database/rotation/ensure-credentials.ts";
import type { TenantRecord } from "../../database/tenants.ts";
import { ok, type Outcome } from "./conditions.ts";

/** True also while a rotation is stuck: pods go on with the login that they have. */
export function credentialsOutcome({ stuck, tenant: { rotation }, waitingFor }: EnsuredCredentials): Outcome {
  if (!rotation) return ok("Published", "the database login is published");
  const what = `the database password is being changed (${rotation.reason})`;
  return ok(stuck ? "RotationStuck" : "Rotating", waitingFor ? `${what}; it waits for ${waitingFor}` : what);
}

const timeOf = (at: Date | undefined): string | undefined => at?.toISOString().replace(/\.\d+Z$/, "Z");

const STEP = { opening: "Opening", draining: "Draining", closing: "Closing" } as const;

/** What a Tenant's status says of its login. Fields that are undefined go. */
export function credentialFields({ tenant, waitingFor }: EnsuredCredentials): Record<string, unknown> {
  const { rotation } = tenant;
  return {
    activeLogin: tenant.activeLogin,
    credentialsRevision: tenant.credentialsRevision,
    passwordChangedAt: timeOf(tenant.passwordChangedAt),
    rotationRequest: tenant.rotationRequest,
    rotation: rotation && {
      step: STEP[rotation.step],
      reason: rotation.reason,
      startedAt: timeOf(rotation.startedAt),
      message: waitingFor,
    },
  };
}

/** When the Tenant has to be looked at again for its password, in milliseconds; undefined: no sooner than for the rest. */
export function requeueForCredentials(
  tenant: Tenant,
  { rotation, ...record }: TenantRecord,
  now: Date,
): number | undefined {
  if (rotation) {
    const soon = (now.getTime() - rotation.startedAt.getTime()) / 8;
    return Math.min(15_000, Math.max(1_000, soon)); // a long wait is looked at less and less often
  }
  const due = dueAt(record, tenant.spec.database.passwordRotationDays);
  return due && Math.max(1_000, due.getTime() - now.getTime());
}
