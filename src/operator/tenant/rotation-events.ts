import { tenantDatabaseNames } from "../../api/names.ts";
import type { Tenant } from "../../api/tenant.ts";
import type { EnsuredCredentials } from "../../database/rotation/ensure-credentials.ts";
import type { TenantRecord } from "../../database/tenants.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";

/** What became of a rotation since `before`, as Events. */
export async function tellOfRotation(
  events: EventRecorder,
  tenant: Tenant,
  before: TenantRecord,
  { tenant: { id, activeLogin, rotation }, endedAtWork, stuck, waitingFor }: EnsuredCredentials,
): Promise<void> {
  const say = (type: "Normal" | "Warning", reason: string, message: string) =>
    events.record(tenant, type, reason, message);
  if (rotation && !before.rotation)
    await say("Normal", "RotationStarted", `a new database password is on its way (${rotation.reason})`);
  if (endedAtWork > 0)
    await say(
      "Warning",
      "OldConnectionsEnded",
      `${endedAtWork} connections of the old login were ended after the grace (database.rotation.graceSeconds)`,
    );
  if (stuck) await say("Warning", "RotationStuck", waitingFor ?? "");
  if (before.rotation && !rotation) {
    const { logins } = tenantDatabaseNames(id);
    await say("Normal", "PasswordRotated", `${logins[activeLogin]} is in use, the other login is closed`);
  }
}
