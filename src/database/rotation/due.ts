import type { TenantRecord } from "../registry.ts";
import type { RotationReason } from "./decide.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

export interface RotationWish {
  /** Whatever it is, a value that was not met before asks for a rotation; undefined: nothing asks. */
  requested: string | undefined;
  /** A password older than this is changed. */
  maxAgeDays: number;
}

/** When the tenant's password is due to be changed; undefined before there is one. */
export const dueAt = (tenant: Pick<TenantRecord, "passwordChangedAt">, maxAgeDays: number): Date | undefined =>
  tenant.passwordChangedAt && new Date(tenant.passwordChangedAt.getTime() + maxAgeDays * DAY_MS);

/** Why the password should change now, if it should. Pure. */
export function dueReason(
  tenant: Pick<TenantRecord, "passwordChangedAt" | "rotationRequest">,
  { requested, maxAgeDays }: RotationWish,
  now: Date,
): RotationReason | undefined {
  if (requested !== undefined && requested !== tenant.rotationRequest) return "Requested";
  const at = dueAt(tenant, maxAgeDays);
  return at && at <= now ? "Scheduled" : undefined;
}
