import type { ServerRollout, TrialLine } from "../operator/migrations/operations.ts";
import type { RolloutSummary } from "../operator/migrations/summary.ts";
import { callOperator, type OperatorAccess } from "./operator-access.ts";
import { table } from "./table.ts";

export type MigrateOptions = OperatorAccess & { dryRun?: boolean; tenant?: string; output: "table" | "json" };

/**
 * `agentpg migrate`: how far the rollout of migrations is, and its brake. Gives 1 when something failed or would fail, or is paused and
 * nobody asked for that now; else 0.
 */
export async function migrate(action: string | undefined, options: MigrateOptions): Promise<number> {
  if (options.dryRun) {
    if (action) throw new Error(`--dry-run stands alone: leave out ${action}`);
    return dryRun(options);
  }
  if (options.tenant) throw new Error("--tenant goes with --dry-run: a rollout is of all tenants");
  const rollouts: ServerRollout[] = [];
  for await (const line of callOperator(options, `migration-${action ?? "status"}`, {}))
    rollouts.push(line as unknown as ServerRollout);
  if (rollouts.length === 0) throw new Error("the operator gave no answer: see its log");
  for (const it of rollouts) print(options, it, () => describeServer(it, rollouts.length > 1));
  return rollouts.every((it) => isAsAsked(it, action)) ? 0 : 1;
}

/** Whether a server's rollout is as this command wants it: paused after `pause`, else without pause and failures. */
export function isAsAsked(it: ServerRollout, action: string | undefined): boolean {
  if ("unreachable" in it) return false;
  return action === "pause" ? it.phase === "paused" : it.phase !== "paused" && it.failures.length === 0;
}

/** Where there are several servers, each says which it is. */
export function describeServer(it: ServerRollout, isOneOfSeveral: boolean): string {
  if ("unreachable" in it) return `server ${it.server} could not be asked: ${it.unreachable}`;
  return `${isOneOfSeveral ? `server ${it.server}: ` : ""}${describe(it)}`;
}

/** Each tenant as it is tried, and at the end how many would fail. */
async function dryRun(options: MigrateOptions): Promise<number> {
  const counts = { current: 0, "would migrate": 0, "would fail": 0 };
  for await (const line of callOperator(
    options,
    "migration-dry-run",
    options.tenant ? { tenant: options.tenant } : {},
  )) {
    const trial = line as unknown as TrialLine;
    counts[trial.outcome]++;
    print(options, trial, () => describeTrial(trial));
  }
  process.stderr.write(
    `${counts["would migrate"]} would migrate, ${counts["would fail"]} would fail, ${counts.current} are current; nothing was kept\n`,
  );
  return counts["would fail"] > 0 ? 1 : 0;
}

const print = ({ output }: MigrateOptions, value: object, text: () => string): void =>
  void process.stdout.write(`${output === "json" ? JSON.stringify(value) : text()}\n`);

function describeTrial({ tenant, outcome, from, to, durationMs = 0, reason, message }: TrialLine): string {
  if (outcome === "would fail") return `${tenant}: would fail: ${reason}: ${message}`;
  if (outcome === "current") return `${tenant}: current, at migration ${to}`;
  return `${tenant}: would go from migration ${from} to ${to} in ${Math.round(durationMs)} ms`;
}

/** A rollout for a person to read. */
export function describe({ phase, target, message, tenants, canaries, failures }: RolloutSummary): string {
  const counts = Object.entries(tenants).map(([state, count]) => `${count} ${state}`);
  const lines = [`the rollout to migration ${target} is ${phase}: ${counts.join(", ")}`];
  if (message) lines.push(message);
  if (phase !== "complete" && canaries.length > 0)
    lines.push(`canaries: ${canaries.map((it) => `${it.tenant} (${it.state}, at ${it.version})`).join(", ")}`);
  if (failures.length > 0) {
    const rows = failures.map((it) => [it.tenant, it.kind, String(it.version), String(it.attempts), it.message]);
    lines.push(table([["TENANT", "STATE", "AT", "TRIES", "MESSAGE"], ...rows]));
  }
  return lines.join("\n");
}
