import { Callers } from "./callers.ts";
import { disturb, type Happened, type Recovery } from "./disturbances.ts";
import type { Fleet } from "./fleet.ts";
import { type ChaosGround, type ChaosOptions, prepareGround } from "./ground.ts";
import { Random } from "../support/random.ts";
import { judge, type Verdict } from "./verdict.ts";

export interface ChaosResult extends Verdict {
  runs: number;
  recoverySecondsMax: number;
  recoverySecondsMedian: number;
  recoveries: number;
  disturbances: Record<string, number>;
  /** What the simulated API refused as no valid conversation. */
  refusedByApi: number;
  complaints: string[];
  errorsLogged: number;
  startFailures: number;
}

/** Time for what is under way when the last disturbance is over. */
const SETTLE_SECONDS = 60;
/** From a kill until the runs are worked on again. */
export const MOST_RECOVERY_SECONDS = 10;

/** Disturbs agents at work, and looks at what became of their runs. The same seed plans the same disturbances. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const ends: (() => unknown)[] = [];
  try {
    const ground = await prepareGround(options, (end) => ends.unshift(end));
    const callers = new Callers(ground.fleet, ground.tokens, new Random(options.seed + 1));
    callers.start(options.runsInFlight);
    const happened = await disturbed(options, ground, callers);
    const recoveries = await Promise.all(happened.recoveries);
    const verdict = await judge(callers.asked, ground.observer, ground.ledger);
    return result(verdict, callers, happened, recoveries, ground.fleet, await ground.endpoint.stats());
  } finally {
    for (const end of ends) await end();
  }
}

/** All disturbances, and then the time that runs need to come to their end. */
async function disturbed(options: ChaosOptions, ground: ChaosGround, callers: Callers): Promise<Happened> {
  const { progress, disturbances, seed, meanMs } = options;
  const happened = await progress.step(`${disturbances.length} disturbances, seed ${seed}`, (detail) =>
    disturb(ground, disturbances, meanMs, (n, name) =>
      detail(`${n}: ${name}, ${callers.asked.length} runs asked for, ${callers.underWay} under way`),
    ),
  );
  await ground.endpoint.configure({ faults: [] });
  await progress.step("what is under way ends", () => callers.finish(SETTLE_SECONDS));
  // Where runs hang, what the processes said last tells why.
  if (callers.underWay > 0)
    for (const { name, process } of ground.fleet.up()) progress.note(`${name}: ${process.child.said}`);
  return happened;
}

function result(
  verdict: Verdict,
  callers: Callers,
  happened: Happened,
  recoveries: Recovery[],
  fleet: Fleet,
  stats: Record<string, unknown>,
): ChaosResult {
  const refused = Number(stats.rejected);
  return {
    ...verdict,
    details: [
      ...verdict.details,
      ...(refused ? [`refused by the API: ${String(stats.lastRejection)}`] : []),
      ...slowRecoveries(recoveries, happened),
      ...fleet.errors.slice(0, 5).map((it) => `logged: ${it}`),
      ...fleet.failures.slice(0, 2).map((it) => `did not start: ${it}`),
    ],
    runs: callers.asked.length,
    recoverySecondsMax: Math.max(0, ...recoveries.map((it) => it.seconds)),
    recoverySecondsMedian: recoveries.map((it) => it.seconds).toSorted((a, b) => a - b)[recoveries.length >> 1] ?? 0,
    recoveries: recoveries.length,
    disturbances: happened.counts,
    refusedByApi: refused,
    complaints: callers.complaints.slice(0, 5),
    errorsLogged: fleet.errors.length,
    startFailures: fleet.failures.length,
  };
}

/** What else happened while a process' runs waited for longer than they should. */
function slowRecoveries(recoveries: Recovery[], { timeline }: Happened): string[] {
  const slow = recoveries.filter((it) => it.seconds > MOST_RECOVERY_SECONDS).toSorted((a, b) => b.seconds - a.seconds);
  return slow.slice(0, 5).map(({ pod, from, seconds }) => {
    const meanwhile = timeline.filter(({ at }) => at > from - 12 && at < from + seconds);
    const told = meanwhile.map(({ at, name }) => `${(at - from).toFixed(1)} ${name}`).join(", ");
    return `slow: the runs of ${pod} waited ${seconds.toFixed(1)} s; seconds from the kill on: ${told}`;
  });
}
