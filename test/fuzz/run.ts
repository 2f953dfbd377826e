import type { Progress } from "../../src/telemetry/progress.ts";
import { Random } from "../support/random.ts";
import { apiBodyTarget } from "./api-bodies.ts";
import type { Target } from "./target.ts";
import { tokenTarget } from "./tokens.ts";
import { toolInputTarget } from "./tool-inputs.ts";

/** No input may keep a thread for longer, in milliseconds; machines stand still for a while too, so it is counted in CPU time. */
const HANG_MS = 500;

export interface Fuzzed {
  inputs: number;
  crashes: string[];
  hangs: string[];
  outcomes: Record<string, Record<string, number>>;
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

async function feed(target: Target, random: Random, inputs: number, into: Fuzzed): Promise<void> {
  const outcomes: Record<string, number> = {};
  for (let i = 0; i < inputs; i++) {
    const before = cpuMs();
    try {
      const outcome = await target.feed(random);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    } catch (error) {
      into.crashes.push(`${target.name}, input ${i}: ${String(error)}`);
    }
    if (cpuMs() - before > HANG_MS) into.hangs.push(`${target.name}, input ${i}`);
  }
  const never = target.expected.filter((it) => !outcomes[it]);
  if (never.length > 0) into.crashes.push(`${target.name}: nothing was ever ${never.join(", ")}`);
  into.outcomes[target.name] = outcomes;
  into.inputs += inputs;
}

/** Feeds each parser its share of `inputs`; the same seed makes the same ones. */
export async function fuzz(seed: number, inputs: number, progress: Progress): Promise<Fuzzed> {
  const targets = [await tokenTarget(), toolInputTarget(), apiBodyTarget()];
  const share = [0.2, 0.4, 0.4]; // a signature takes longer than a schema
  const found: Fuzzed = { inputs: 0, crashes: [], hangs: [], outcomes: {} };
  for (const [index, target] of targets.entries()) {
    const count = Math.ceil(inputs * (share[index] ?? 0));
    await progress.step(`${count} ${target.name}`, () => feed(target, new Random(seed + index), count, found));
    target.close();
  }
  return found;
}
