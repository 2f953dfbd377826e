import { z } from "zod";
import { DatabaseError } from "../../database/errors.ts";
import type { TenantDatabase } from "../../database/tenants.ts";
import { type AdminOperation, adminOperation, OperationRefused } from "../admin/operation.ts";
import type { DatabaseAccess } from "../databases/database-access.ts";
import type { MigrationCoordinator } from "./coordinator.ts";
import type { MigratableTenant, RolloutPicture } from "./rollout.ts";
import { type RolloutSummary, summarise } from "./summary.ts";

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

/** How far the rollout on one database server is, or why the server could not be asked. */
export type ServerRollout = { server: string } & (RolloutSummary | { unreachable: string });

/** One database server and the rollout there. */
export interface ServerMigrations {
  database: DatabaseAccess;
  coordinator: MigrationCoordinator;
}

/** `agentpg migrate`: status, pause, resume and dry run; a line for each database server. */
export function migrationOperations(servers: readonly ServerMigrations[]): AdminOperation[] {
  const onEach = (
    name: string,
    change: (coordinator: MigrationCoordinator, database: TenantDatabase, epoch: number) => Promise<unknown>,
  ) =>
    adminOperation({
      name,
      input: z.strictObject({}),
      run: async (_input, { emit }) => {
        for (const { database, coordinator } of servers) {
          const rollout = await orUnreachable(
            database.use(async (it, epoch) => {
              await change(coordinator, it, epoch);
              return summarise(await coordinator.picture(it));
            }),
            servers.length,
          );
          await emit({ server: database.name, ...rollout });
        }
      },
    });
  return [
    onEach("migration-status", async () => {}),
    onEach("migration-pause", (coordinator, database, epoch) => coordinator.pause(database, epoch)),
    onEach("migration-resume", (coordinator, database, epoch) => coordinator.resume(database, epoch)),
    adminOperation({
      name: "migration-dry-run",
      input: z.strictObject({ tenant: z.string().min(1).optional() }),
      run: async ({ tenant }, { emit, signal }) => {
        let tried = 0;
        let silent: DatabaseError | undefined;
        for (const { database, coordinator } of servers) {
          const picture = await orError(database.use((it) => coordinator.picture(it)));
          if (picture instanceof DatabaseError) silent = picture;
          else tried += await tryAll(database, picture, tenant, emit, signal);
        }
        if (silent && (tenant === undefined || tried === 0)) throw silent;
        if (tenant !== undefined && tried === 0) throw noSuchTenant(tenant);
      },
    }),
  ];
}

/** One after another: what a try locks, a tenant waits for. Gives their number. */
async function tryAll(
  database: DatabaseAccess,
  { tenants }: RolloutPicture,
  name: string | undefined,
  emit: (line: object) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const chosen = tenants.filter((it) => name === undefined || it.name === name);
  for (const it of chosen) {
    signal.throwIfAborted();
    await emit(await tryOut(database, it));
  }
  return chosen.length;
}

/** @throws StaleEpoch, and what is no DatabaseError */
async function orError<T>(work: Promise<T>): Promise<T | DatabaseError> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.reason === "StaleEpoch") throw error;
    return error;
  }
}

/** Of several servers one that is down does not keep the others from it. */
async function orUnreachable<T>(work: Promise<T>, servers: number): Promise<T | { unreachable: string }> {
  const result = await orError(work);
  if (!(result instanceof DatabaseError)) return result;
  if (servers === 1) throw result;
  return { unreachable: result.message };
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
