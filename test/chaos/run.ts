import { join } from "node:path";
import type { Progress } from "../../src/telemetry/progress.ts";
import { Field } from "../support/field/field.ts";
import { bundledTestProgram } from "../support/field/program.ts";
import { startPostgres } from "../support/postgres.ts";
import { Callers } from "./callers.ts";
import { disturb, type Happened, type Recovery } from "./disturbances.ts";
import { Fleet } from "./fleet.ts";
import { startLedger } from "./ledger.ts";
import { Observer } from "./observer.ts";
import type { Path } from "./proxy.ts";
import { RESEARCHER, RULES, SUPPORT } from "./questions.ts";
import { Random } from "./random.ts";
import { judge, type Verdict } from "./verdict.ts";

export interface ChaosOptions {
  seed: number;
  /** What happens, by name, in this order. */
  disturbances: string[];
  runsInFlight: number;
  /** Between two disturbances, on average. */
  meanMs: number;
  /** Processes of each of the two agents. */
  pods: number;
  /** How a server is reached so that the way can be cut. */
  path: (name: string, port: number) => Promise<Path>;
  progress: Progress;
}

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

const agentProgram = (folder: string) => bundledTestProgram(join(import.meta.dirname, "agent.ts"), folder);

/** Disturbs agents at work, and looks at what became of their runs. The same seed plans the same disturbances. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const random = new Random(options.seed);
  const { progress } = options;
  const postgres = await progress.step("Postgres starts", () =>
    startPostgres({ settings: { fsync: "on", full_page_writes: "on" } }),
  );
  const ends: (() => unknown)[] = [() => postgres.stop()];
  try {
    const field = await progress.step("the program is bundled, a tenant made", () =>
      Field.create(postgres, agentProgram),
    );
    ends.unshift(() => field.close());
    const tenant = await field.tenant("acme");
    const endpoint = await field.endpoint({ latencyMs: 100, chunkDelayMs: 25, chunks: "words", rules: RULES });
    const ledger = await startLedger(() => random.between(20, 800));
    ends.unshift(() => ledger.close());
    const database = await options.path("database", postgres.port);
    const model = await options.path("model", Number(new URL(endpoint.url).port));
    ends.unshift(() => Promise.all([database.close(), model.close()]));
    await field.publish(tenant, { ...tenant.connection, port: database.port });
    const observer = new Observer(postgres.adminSettings(field.database), tenant.names.schema);
    ends.unshift(() => observer.close());
    const { ca, port } = ledger;
    const env = {
      AGENTPG_STALL_SECONDS: "3",
      CHAOS_LEDGER: JSON.stringify({ ca, port }),
    };
    const fleet = new Fleet(field, tenant, env, random);
    ends.unshift(() => fleet.stop());
    const anthropicBaseUrl = `http://127.0.0.1:${model.port}`;
    await progress.step("the agents start", async () => {
      for (const agent of [SUPPORT, RESEARCHER]) fleet.keep({ ...agent, anthropicBaseUrl }, options.pods);
      for (const { agent } of [SUPPORT, RESEARCHER]) await fleet.untilUp(agent.name, options.pods);
    });
    const tokens = await Promise.all(
      Array.from({ length: options.runsInFlight }, (_, n) => tenant.issuer.token(`caller-${n}`)),
    );
    const callers = new Callers(fleet, tokens, new Random(options.seed + 1));
    callers.start(options.runsInFlight);
    const ground = { postgres, fleet, observer, endpoint, database, model, random };
    const happened = await progress.step(
      `${options.disturbances.length} disturbances, seed ${options.seed}`,
      (detail) =>
        disturb(ground, options.disturbances, options.meanMs, (n, name) =>
          detail(`${n}: ${name}, ${callers.asked.length} runs asked for, ${callers.underWay} under way`),
        ),
    );
    await endpoint.configure({ faults: [] });
    await progress.step("what is under way ends", () => callers.finish(SETTLE_SECONDS));
    const recoveries = await Promise.all(happened.recoveries);
    // Where runs hang, what the processes said last tells why.
    if (callers.underWay > 0)
      for (const { name, process } of fleet.up()) progress.note(`${name}: ${process.child.said}`);
    const verdict = await judge(callers.asked, observer, ledger);
    return result(verdict, callers, happened, recoveries, fleet, await endpoint.stats());
  } finally {
    for (const end of ends) await end();
  }
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
