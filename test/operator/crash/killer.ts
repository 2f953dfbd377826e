import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { clientOptions } from "../../../src/database/connection.ts";
import { LEASE } from "../../../src/kubernetes/resource-kind.ts";
import { Random } from "../../support/random.ts";
import { eventually } from "../../support/eventually.ts";
import type { Scene } from "./ground.ts";

/** Of ten kills, those that come before the operator leads. */
const EARLY = 0.15;
const START_MS = 700;
/** From when it leads to its end, at most: long enough for a database of one tenant to be made. */
const LIFE_MS = 2_000;

/** What the operator did when it was killed, as Postgres saw it, and how often. */
export type Moments = Record<string, number>;

/** Kills the operator at random instants. */
export class Killer {
  readonly #scene: Scene;
  readonly #random: Random;
  readonly moments: Moments = {};
  done = 0;

  constructor(scene: Scene, seed: number) {
    this.#scene = scene;
    this.#random = new Random(seed);
  }

  /** @param before is waited for before each kill */
  async kill(times: number, before: (done: number) => Promise<void>): Promise<void> {
    const { postgres, admin, operator } = this.#scene;
    const looker = new Client(clientOptions(postgres.adminSettings(admin.database), "crash test"));
    await looker.connect();
    try {
      while (this.done < times) {
        await before(this.done);
        await this.#untilInstant();
        const moment = operator.leads ? await doing(looker, admin.user) : "starts";
        await operator.crash();
        this.moments[moment] = (this.moments[moment] ?? 0) + 1;
        await this.#freeLease();
        this.done++;
      }
    } finally {
      await looker.end();
    }
  }

  async #untilInstant(): Promise<void> {
    if (this.#random.next() < EARLY) {
      await sleep(100 + this.#random.between(0, START_MS));
      return;
    }
    const { operator } = this.#scene;
    await eventually(
      () => operator.leads || operator.output.slice(-1500),
      (leads) => leads === true,
      30,
      5,
    );
    await sleep(this.#random.between(0, LIFE_MS));
  }

  /** Waiting for the lease of a process that is known to be dead tests nothing that is not tested elsewhere: it is given up for it. */
  async #freeLease(): Promise<void> {
    const spec = { holderIdentity: "", leaseDurationSeconds: 1 };
    await this.#scene.client.mergePatch(LEASE, "agentpg-operator", "agentpg-system", { spec }).catch(() => {}); // not made yet
  }
}

async function doing(looker: Client, user: string): Promise<string> {
  const { rows } = await looker.query<{ state: string }>(
    `SELECT state FROM pg_stat_activity WHERE usename = $1 AND state <> 'idle' ORDER BY state = 'active' DESC LIMIT 1`,
    [user],
  );
  const [busy] = rows;
  if (!busy) return "leads, no transaction open";
  if (busy.state !== "active") return "between two statements of a transaction";
  return "in a statement";
}
