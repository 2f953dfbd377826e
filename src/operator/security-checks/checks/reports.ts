import type { SecurityReport } from "../../../database/worker-reports.ts";
import { isUnseen, type Observation } from "../observation.ts";
import { type CheckOutcome, unknown } from "../outcome.ts";

type Proven = { agent: string; security: NonNullable<SecurityReport["security"]> };

/** What every living process proved of itself; or why that cannot be said, as an outcome. Pure. */
export function provenByPods({ database }: Observation): Proven[] | CheckOutcome {
  if (isUnseen(database)) return unknown("DatabaseNotReached", database.unseen);
  const { reports } = database;
  if (reports.length === 0) return unknown("NoPods", "no pod of the tenant's agents runs, and so none could prove it");
  const proven = reports.flatMap(({ agent, security }) => (security ? [{ agent, security }] : []));
  if (proven.length === reports.length) return proven;
  return unknown(
    "NotReported",
    "some pods do not say: they are of an older version, and are replaced with the next rollout",
  );
}

/** The agents with a process of which this is so, each once. */
export const agentsWith = (proven: readonly Proven[], is: (it: Proven) => boolean): string[] => [
  ...new Set(proven.filter(is).map((it) => it.agent)),
];
