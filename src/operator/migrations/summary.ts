import { canaryRing, isBehind, type MigratableTenant, type RolloutPicture } from "./rollout.ts";

/** running: being migrated now; waiting: for its turn; failed: for its next try, or for somebody to mend it. */
type MigrationState = "current" | "running" | "waiting" | "failed";

/** What `agentpg migrate status` shows. */
export interface RolloutSummary {
  phase: "complete" | "running" | "paused";
  /** The migration that all are brought to. */
  target: number;
  reason?: string;
  message?: string;
  tenants: Record<MigrationState, number>;
  canaries: { tenant: string; version: number; state: MigrationState }[];
  failures: { tenant: string; version: number; kind: string; attempts: number; message: string }[];
}

function migrationState(picture: RolloutPicture, tenant: MigratableTenant): MigrationState {
  if (!isBehind(tenant, picture)) return "current";
  if (picture.active.has(tenant.uid)) return "running";
  return picture.state.failures[tenant.uid] ? "failed" : "waiting";
}

export function countTenants(picture: RolloutPicture): Record<MigrationState, number> {
  const counts = { current: 0, running: 0, waiting: 0, failed: 0 };
  for (const tenant of picture.tenants) counts[migrationState(picture, tenant)]++;
  return counts;
}

export function rolloutPhase(picture: RolloutPicture): RolloutSummary["phase"] {
  if (picture.state.paused) return "paused";
  return picture.tenants.some((it) => isBehind(it, picture)) ? "running" : "complete";
}

export function summarise(picture: RolloutPicture): RolloutSummary {
  const { state, tenants } = picture;
  return {
    phase: rolloutPhase(picture),
    target: state.target.version,
    ...state.paused,
    tenants: countTenants(picture),
    canaries: canaryRing(picture).map((it) => ({
      tenant: it.name,
      version: it.version,
      state: migrationState(picture, it),
    })),
    failures: tenants.flatMap(({ uid, name, version }) => {
      const failure = state.failures[uid];
      if (!failure) return [];
      const { kind, attempts, message } = failure;
      return [{ tenant: name, version, kind, attempts, message }];
    }),
  };
}
