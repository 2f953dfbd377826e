import { tenant as tenantSchema } from "../api/tenant.ts";
import type { AuditVerification } from "../database/lifecycle/verify-audit.ts";
import { KubernetesClient } from "../kubernetes/client.ts";
import { TENANT } from "../operator/caches.ts";
import { type Progress, terminalProgress } from "../telemetry/progress.ts";
import { openConfig } from "./open-config.ts";
import { callOperator, type OperatorAccess } from "./operator-access.ts";

export interface AuditOptions {
  /** Left out: all Tenants. */
  tenant?: string;
  /** Only what came since the log was last found whole. */
  sinceVerified?: boolean;
  /** SEQ:HASH of an earlier answer, kept elsewhere. */
  expect?: string;
  afterRestore?: boolean;
  output: "table" | "json";
}

type Verified = AuditVerification & { tenant: string };
type Line = Record<string, unknown>;

/** What the command needs of the world. */
export interface AuditWorld {
  ask(operation: string, input: object): AsyncIterable<Line>;
  tenants(): Promise<string[]>;
  progress: Progress;
  print(text: string): void;
}

/** `agentpg audit verify`. Gives the exit code: 0 when every log is whole, 1 when one is not, or cannot be verified. */
export function auditVerify(options: AuditOptions & OperatorAccess): Promise<number> {
  return auditVerifyIn(
    {
      ask: (operation, input) => callOperator(options, operation, input),
      tenants: () => tenantsOf(options),
      progress: terminalProgress(),
      print: (text) => process.stdout.write(`${text}\n`),
    },
    options,
  );
}

async function tenantsOf(options: OperatorAccess): Promise<string[]> {
  const config = openConfig(options);
  try {
    const tenants = await new KubernetesClient(config).list<object>(TENANT);
    return tenants.map((it) => tenantSchema.parse(it).metadata.name).sort();
  } finally {
    await config.close();
  }
}

/** @throws Error for an --expect that is none */
function expectedOf(text: string | undefined): { seq: number; hash: string } | undefined {
  if (text === undefined) return undefined;
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (seq === undefined || hash === undefined)
    throw new Error(
      "--expect is SEQ:HASH, the head that `agentpg audit verify -o json` gave earlier (head.seq and head.hash)",
    );
  return { seq: Number(seq), hash: hash.toLowerCase() };
}

export async function auditVerifyIn(world: AuditWorld, options: AuditOptions): Promise<number> {
  const expected = expectedOf(options.expect);
  if (options.tenant === undefined && (expected || options.afterRestore))
    throw new Error("--expect and --after-restore are of one log: name it with --tenant");
  const tenants = options.tenant === undefined ? await world.tenants() : [options.tenant];
  let broken = 0;
  for (const tenant of tenants) {
    const input = {
      tenant,
      whole: !options.sinceVerified,
      anew: options.afterRestore ?? false,
      ...(expected ? { expected } : {}),
    };
    if (!(await verifyOne(world, tenant, input, options.output))) broken++;
  }
  if (tenants.length === 0) world.progress.note("there are no Tenants");
  return broken === 0 ? 0 : 1;
}

async function verifyOne(world: AuditWorld, tenant: string, input: object, output: "table" | "json"): Promise<boolean> {
  let verified: Verified | undefined;
  try {
    await world.progress.step(`verify the audit log of ${tenant}`, async (detail) => {
      for await (const line of world.ask("audit-verify", input)) {
        const progress = line["progress"] as { rows: number; of: number } | undefined;
        if (progress) detail(`${progress.rows} of ${progress.of} rows`);
        if (line["verified"]) verified = line["verified"] as Verified;
      }
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    world.print(output === "json" ? JSON.stringify({ tenant, error: message }) : `${tenant}: not verified: ${message}`);
    return false;
  }
  if (!verified) throw new Error("the operator gave no result: is its version the same as this command's?");
  world.print(output === "json" ? JSON.stringify(verified) : describe(verified));
  return verified.faultCount === 0;
}

/** A verification for a person to read. */
export function describe({ tenant, rows, head, start, anchor, faults, faultCount }: Verified): string {
  const known = anchor ? `; the last time it was verified to row ${anchor.seq}, ${anchor.verifiedAt}` : "";
  if (faultCount === 0) {
    const from = start.seq > 0 ? `, after row ${start.seq}, which retention removed last` : "";
    return `${tenant}: whole: ${rows} rows to row ${head.seq}${from}${known}`;
  }
  const more = faultCount > faults.length ? [`  and ${faultCount - faults.length} more`] : [];
  return [
    `${tenant}: NOT WHOLE: ${faultCount} faults in ${rows} rows${known}`,
    ...faults.map((it) => `  row ${it.seq}: ${it.fault}: ${it.message}`),
    ...more,
  ].join("\n");
}
