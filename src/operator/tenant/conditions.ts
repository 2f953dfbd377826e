import type { TenantConditionType } from "../../api/tenant.ts";
import type { ConditionInput } from "../../kubernetes/conditions.ts";

/** What became of one stage of a Tenant. */
export interface Outcome {
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
  /** true: though not as it should be, it keeps nobody from serving, and `Ready` does not mind. */
  tolerable?: boolean;
  /** When to look again although nothing changed, in milliseconds. */
  retryAfterMs?: number;
}

export const ok = (reason: string, message: string): Outcome => ({ status: "True", reason, message });
export const failed = (reason: string, message: string): Outcome => ({ status: "False", reason, message });
export const waiting = (message: string): Outcome => ({ status: "Unknown", reason: "Waiting", message });

const STAGES = ["NamespaceReady", "NetworkReady", "DatabaseReady", "MigrationsCurrent", "CredentialsReady"] as const;
/** There only where it matters to the tenant. */
const OPTIONAL_STAGES = ["EncryptionReady", "BrokerReady", "ConnectionsSufficient"] as const;
export type Stage = (typeof STAGES | typeof OPTIONAL_STAGES)[number];

/** The conditions of a Tenant after its stages; what was not reached waits. */
export function tenantConditions(
  stages: Partial<Record<Stage, Outcome>>,
  more: Partial<Record<"Paused" | "DeletionBlocked", Outcome>> = {},
): ConditionInput[] {
  const present = OPTIONAL_STAGES.filter((type) => stages[type]);
  const list = [...STAGES, ...present].map((type) => ({
    type: type as TenantConditionType,
    ...(stages[type] ?? waiting("an earlier step is not done")),
  }));
  const needed = list.filter((it) => !it.tolerable);
  const notReady = needed.find((it) => it.status === "False") ?? needed.find((it) => it.status !== "True");
  const ready = notReady
    ? {
        ...failed(notReady.reason, notReady.message),
        ...(notReady.status === "Unknown" ? { reason: "Progressing" } : {}),
      }
    : ok("Ready", "namespace, database, credentials and network policies are in place");
  const extra = Object.entries(more).map(([type, outcome]) => ({ type, ...outcome }));
  return [{ type: "Ready", ...ready }, ...list, ...extra];
}
