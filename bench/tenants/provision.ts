import { randomUUID } from "node:crypto";
import type { Progress } from "../../src/telemetry/progress.ts";
import type { BenchOperator, BenchTenants } from "./operator.ts";
import type { Meter } from "./statements.ts";

/** Tenants that are made before the clock starts: connections are open and the code is warm, so that the first hundred are no easy mark. */
const WARM_UP = 16;

export function newTenants(count: number): BenchTenants {
  const names = Array.from({ length: count + WARM_UP }, (_, n) => `tenant-${String(n).padStart(5, "0")}`);
  const request = (name: string) => ({ uid: randomUUID(), name, namespace: name, connectionLimit: 50 });
  return { requests: new Map(names.map((name) => [name, request(name)])), secrets: new Map() };
}

/** Makes them all: from nothing to a login that works. */
export async function provisionAll(operator: BenchOperator, { requests }: BenchTenants, progress: Progress) {
  const names = [...requests.keys()];
  await operator.reconcile(names.slice(0, WARM_UP));
  const timed = names.slice(WARM_UP);
  const started = performance.now();
  const doneAt: number[] = [];
  await progress.step(`${timed.length} tenants are provisioned`, (detail) =>
    operator.reconcile(timed, () => {
      doneAt.push((performance.now() - started) / 1000);
      detail(`${doneAt.length}, ${(doneAt.length / (doneAt.at(-1) ?? 1)).toFixed(1)} a second`);
    }),
  );
  const piece = Math.min(100, Math.floor(timed.length / 2));
  const first = doneAt[piece - 1] ?? Number.NaN;
  const last = (doneAt.at(-1) ?? Number.NaN) - (doneAt.at(-1 - piece) ?? Number.NaN);
  return { tenantsPerSecond: timed.length / (doneAt.at(-1) ?? Number.NaN), lastToFirstHundredRatio: last / first };
}

/** Looks at all of them again, twice: nothing has changed, so nothing may be written. The second round counts. */
export async function resyncAll(operator: BenchOperator, { requests }: BenchTenants, meter: Meter, progress: Progress) {
  const names = [...requests.keys()];
  await progress.step("all tenants are looked at again", () => operator.reconcile(names));
  const cost = await progress.step("… and once more, counted", () => meter.measure(() => operator.reconcile(names)));
  return { resyncStatementsPerTenant: cost.statements / names.length, resyncWrites: cost.writes };
}
