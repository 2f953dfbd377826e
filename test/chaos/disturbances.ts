import { setTimeout as sleep } from "node:timers/promises";
import type { Endpoint } from "../support/field/endpoint.ts";
import type { TestPostgres } from "../support/postgres.ts";
import type { Fault, FaultKind } from "../support/simulated-claude/config.ts";
import type { Fleet } from "./fleet.ts";
import type { Observer } from "./observer.ts";
import type { Cut, Path } from "./proxy.ts";
import { Random } from "../support/random.ts";

export interface Ground {
  postgres: TestPostgres;
  fleet: Fleet;
  observer: Observer;
  endpoint: Endpoint;
  database: Path;
  model: Path;
  random: Random;
}

export interface Happened {
  counts: Record<string, number>;
  recoveries: Promise<Recovery>[];
  /** What happened when, in seconds of the test. */
  timeline: { at: number; name: string }[];
}

/** How long it took until the runs of a killed process were worked on again. */
export interface Recovery {
  pod: string;
  /** In seconds of the test. */
  from: number;
  seconds: number;
}

type Strike = (ground: Ground, happened: Happened) => Promise<void> | void;

const count = ({ counts }: Happened, name: string) => (counts[name] = (counts[name] ?? 0) + 1);

const kill: Strike = ({ fleet, observer, random }, happened) => {
  const pods = fleet.up();
  if (pods.length === 0) return;
  const pod = random.pick(pods);
  pod.process.child.process.kill("SIGKILL");
  const from = performance.now() / 1000;
  happened.recoveries.push(observer.recovery(pod.name).then((seconds) => ({ pod: pod.name, from, seconds })));
};

const drain: Strike = ({ fleet, random }) => {
  const pods = fleet.up();
  if (pods.length > 0) random.pick(pods).process.child.process.kill("SIGTERM");
};

/** For longer than a lease: another takes its runs while it still believes to have them. */
const suspend: Strike = async ({ fleet, random }) => {
  const pods = fleet.up();
  if (pods.length === 0) return;
  const { child } = random.pick(pods).process;
  child.process.kill("SIGSTOP");
  await sleep(12_000);
  child.process.kill("SIGCONT");
};

const crashPostgres: Strike = ({ postgres }) => postgres.crash();

const cut =
  (which: "database" | "model", how: Cut): Strike =>
  async (ground) =>
    ground[which].cut(how, ground.random.between(20, 1500));

/** The next so many calls of the model meet a fault. */
const modelFault =
  (kind: FaultKind, most: number, more: Partial<Fault> = {}): Strike =>
  ({ endpoint, random }) => {
    const afterEvents = random.whole(1, 12);
    const times = random.whole(1, most);
    return endpoint.configure({ faults: [{ kind, every: 1, times, afterEvents, ...more }] });
  };

/** By name, with how often each is to happen, relative to the others. */
const STRIKES: Record<string, [weight: number, strike: Strike]> = {
  kill: [40, kill],
  drain: [6, drain],
  suspend: [4, suspend],
  postgresCrash: [8, crashPostgres],
  databaseReset: [12, cut("database", "reset")],
  databaseRefused: [8, cut("database", "refuse")],
  databaseFrozen: [4, cut("database", "freeze")],
  modelReset: [6, cut("model", "reset")],
  modelRefused: [6, cut("model", "refuse")],
  streamReset: [16, modelFault("reset", 8)],
  streamTruncated: [14, modelFault("truncate", 8)],
  streamMalformed: [14, modelFault("malformed_sse", 8)],
  streamStalled: [10, modelFault("stall", 4)],
  errorInStream: [10, modelFault("error_event", 8)],
  noAnswer: [6, modelFault("hang", 3)],
  rateLimited: [12, modelFault("rate_limit", 60, { retryAfter: 1 })],
  overloaded: [12, modelFault("overloaded", 60)],
  serverError: [12, modelFault("server_error", 10)],
};

/** The names of what can happen, in an order that the seed decides. @param only these; left out: all, each as often as its weight says */
export function plan(total: number, seed: number, only?: string[]): string[] {
  const random = new Random(seed);
  const unknown = only?.find((name) => !STRIKES[name]);
  if (unknown) throw new Error(`no such disturbance: ${unknown}; there are ${Object.keys(STRIKES).join(", ")}`);
  if (only) return Array.from({ length: total }, () => random.pick(only));
  const weights = Object.entries(STRIKES).map(([name, [weight]]) => ({ name, weight }));
  const sum = weights.reduce((all, { weight }) => all + weight, 0);
  const list = weights.flatMap(({ name, weight }) => Array<string>(Math.ceil((weight * total) / sum)).fill(name));
  return random.shuffled(list).slice(0, total);
}

/** Does all that is planned at random instants; one does not wait for the end of the one before, except two of one kind. */
export async function disturb(
  ground: Ground,
  names: string[],
  meanMs: number,
  onStrike: (n: number, name: string) => void,
): Promise<Happened> {
  const happened: Happened = { counts: {}, recoveries: [], timeline: [] };
  const underWay = new Map<string, Promise<void>>();
  const all: Promise<void>[] = [];
  for (const [n, name] of names.entries()) {
    await sleep(-Math.log(1 - ground.random.next()) * meanMs);
    await underWay.get(name);
    onStrike(n + 1, name);
    count(happened, name);
    happened.timeline.push({ at: performance.now() / 1000, name });
    const strike = Promise.resolve(STRIKES[name]?.[1](ground, happened));
    underWay.set(name, strike);
    all.push(strike);
  }
  await Promise.all(all);
  return happened;
}
