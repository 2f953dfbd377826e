import { setTimeout as sleep } from "node:timers/promises";
import type { Progress } from "../../../src/telemetry/progress.ts";
import { problems } from "../../support/convergence/problems.ts";
import { eventually } from "../../support/eventually.ts";
import { type Ground, prepareGround, type Scene } from "./ground.ts";
import { Killer, type Moments } from "./killer.ts";
import { People } from "./perform.ts";
import { type Action, script, type Size } from "./script.ts";
import { currentState, differences, type State } from "./state.ts";

export interface CrashOptions extends Size {
  seed: number;
  kills: number;
  progress: Progress;
}

export interface CrashResult {
  kills: number;
  tenants: number;
  agents: number;
  actions: number;
  /** Of everything in the cluster and in Postgres, what was held against what. */
  objects: number;
  /** Each a sentence: what is not as a quiet run leaves it. */
  differences: string[];
  /** From the last kill until nothing differed any more, or until the patience was over. */
  convergedSeconds: number;
  killedWhile: Moments;
}

/** Within this time after the last kill and the last action everything must be as it should be. */
const CONVERGENCE_SECONDS = 60;

/** Plays one script twice, undisturbed and with an operator that is killed all the time, and holds the ends against each other. */
export async function runCrash(options: CrashOptions): Promise<CrashResult> {
  const { progress, seed, kills, tenants, agents } = options;
  const actions = script(options, seed);
  const ground = await prepareGround(progress);
  try {
    const quiet = await progress.step("a quiet run", () => quietRun(ground, actions));
    const scene = await ground.scene("c-");
    const killer = new Killer(scene, seed + 1);
    await progress.step(`${kills} kills while ${actions.length} things happen`, (detail) =>
      killed(scene, actions, killer, kills, (n) => detail(`${killer.done} kills, ${n} of ${actions.length} things`)),
    );
    const began = performance.now();
    const left = await progress.step("the operator converges", () => untilSame(scene, quiet));
    const convergedSeconds = Math.round(performance.now() - began) / 1000;
    const { moments: killedWhile } = killer;
    const counted = { kills: killer.done, tenants, agents, actions: actions.length, objects: quiet.size };
    return { ...counted, differences: left, convergedSeconds, killedWhile };
  } finally {
    await ground.stop();
  }
}

const stateOf = ({ client, postgres, admin, prefix }: Scene): Promise<State> =>
  currentState({ client, admin: postgres.adminSettings(admin.database), role: admin.user, prefix });

async function quietRun(ground: Ground, actions: Action[]): Promise<State> {
  const scene = await ground.scene("q-");
  const people = new People(scene.client, scene.prefix);
  for (const action of actions) await people.perform(action);
  await eventually(
    () => problems(scene),
    (found) => found.length === 0,
    CONVERGENCE_SECONDS,
  );
  let before = await stateOf(scene);
  const settled = await eventually(
    async () => {
      await sleep(1000);
      const now = await stateOf(scene);
      const changed = differences(before, now);
      before = now;
      return changed;
    },
    (changed) => changed.length === 0,
    CONVERGENCE_SECONDS,
  ).then(() => before);
  await scene.close();
  return settled;
}

/** People and kills keep pace: what happens is spread evenly over the kills, half of it while no operator runs or one only starts. */
async function killed(
  scene: Scene,
  actions: Action[],
  killer: Killer,
  kills: number,
  detail: (performed: number) => void,
): Promise<void> {
  const people = new People(scene.client, scene.prefix);
  const slack = Math.ceil(actions.length / kills) + 4;
  let performed = 0;
  const until = async (reached: () => boolean) => {
    while (!reached()) await sleep(10);
  };
  const performAll = async () => {
    for (const action of actions) {
      await until(() => killer.done >= Math.floor((performed * kills) / actions.length) - 1);
      await people.perform(action);
      detail(++performed);
    }
  };
  const pace = (done: number) => until(() => performed >= Math.floor((done * actions.length) / kills) - slack);
  await Promise.all([performAll(), killer.kill(kills, pace)]);
}

/** What differs still, when the time for that is over. */
async function untilSame(scene: Scene, quiet: State): Promise<string[]> {
  let left: string[] = [];
  const look = async () => (left = [...differences(quiet, await stateOf(scene)), ...(await problems(scene))]);
  await eventually(look, (found) => found.length === 0, CONVERGENCE_SECONDS, 500).catch(() => {});
  return left;
}
