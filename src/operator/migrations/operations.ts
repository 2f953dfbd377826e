import { z } from "zod";
import { DatabaseError } from "../../database/errors.ts";
import type { TenantDatabase } from "../../database/tenants.ts";
import { type AdminOperation, adminOperation, OperationRefused } from "../admin/operation.ts";
import type { DatabaseAccess } from "../database-access.ts";
import type { MigrationCoordinator } from "./coordinator.ts";
import type { MigratableTenant } from "./rollout.ts";
import { summarise } from "./summary.ts";

/** What a dry run says of one tenant. */
export interface TrialLine {
  tenant: string;
  outcome: "current" | "would migrate" | "would fail";
  from?: number;
  to?: number;
  durationMs?: number;
  reason?: string;
  message?: string;
}

/** `agentpg migrate`: status, pause, resume and dry run. */
export function migrationOperations(database: DatabaseAccess, coordinator: MigrationCoordinator): AdminOperation[] {
  const summary = (it: TenantDatabase) => coordinator.picture(it).then(summarise);
  return [
    adminOperation({
      name: "migration-status",
      input: z.strictObject({}),
      run: async (_input, { emit }) => emit(await database.use(summary)),
    }),
    adminOperation({
      name: "migration-pause",
      input: z.strictObject({}),
      run: async (_input, { emit }) => {
        await database.use((it, epoch) => coordinator.pause(it, epoch));
        await emit(await database.use(summary));
      },
    }),
    adminOperation({
      name: "migration-resume",
      input: z.strictObject({}),
      run: async (_input, { emit }) => {
        await database.use((it, epoch) => coordinator.resume(it, epoch));
        await emit(await database.use(summary));
      },
    }),
    adminOperation({
      name: "migration-dry-run",
      input: z.strictObject({ tenant: z.string().min(1).optional() }),
      run: async ({ tenant }, { emit, signal }) => {
        const { tenants } = await database.use((it) => coordinator.picture(it));
        const chosen = tenants.filter((it) => tenant === undefined || it.name === tenant);
        if (tenant !== undefined && chosen.length === 0) throw noSuchTenant(tenant);
        // One after another: what a try locks, a tenant waits for.
        for (const it of chosen) {
          signal.throwIfAborted();
          await emit(await tryOut(database, it));
        }
      },
    }),
  ];
}

const noSuchTenant = (name: string) =>
  new OperationRefused(
    "NoSuchTenant",
    `there is no Tenant ${name} that has a schema and is neither paused nor going: see \`agentpg status\``,
  );

async function tryOut(database: DatabaseAccess, { uid, name }: MigratableTenant): Promise<TrialLine> {
  try {
    const trial = await database.use((it, epoch) => it.migrations.dryRun(uid, epoch));
    return { tenant: name, outcome: trial.from === trial.to ? "current" : "would migrate", ...trial };
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.reason === "StaleEpoch") throw error;
    return { tenant: name, outcome: "would fail", reason: error.reason, message: error.message };
  }
}
