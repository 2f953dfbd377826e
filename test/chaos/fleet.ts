import { setTimeout as sleep } from "node:timers/promises";
import type { AgentProcess, ConfigChange, Field, FieldTenant } from "../support/field/field.ts";
import type { Random } from "../support/random.ts";

/** A process of an agent that is up. */
export interface Pod {
  agent: string;
  name: string;
  process: AgentProcess;
}

/** The agents' processes: who ends is replaced a moment later, as a Deployment does it. */
export class Fleet {
  readonly #pods = new Set<Pod>();
  readonly #slots: Promise<void>[] = [];
  readonly #start: (change: ConfigChange, pod: string) => Promise<AgentProcess>;
  readonly #random: Random;
  readonly #logs: string[][] = [];
  #stopping = false;
  #count = 0;
  /** Starts that did not succeed. */
  failures: string[] = [];

  constructor(field: Field, tenant: FieldTenant, env: Record<string, string>, random: Random) {
    this.#random = random;
    this.#start = (change, pod) => field.agent(tenant, change, { env: { ...env, AGENTPG_POD_NAME: pod } });
  }

  /** Keeps so many processes of an agent up. */
  keep(change: ConfigChange & { agent: { name: string } }, count: number): void {
    for (let n = 0; n < count; n++) this.#slots.push(this.#slot(change));
  }

  async #slot(change: ConfigChange & { agent: { name: string } }): Promise<void> {
    while (!this.#stopping) {
      const name = `${change.agent.name}-${++this.#count}`;
      try {
        const process = await this.#start(change, name);
        this.#logs.push(process.child.errors);
        const pod = { agent: change.agent.name, name, process };
        this.#pods.add(pod);
        if (this.#stopping) await process.child.end("SIGKILL");
        await new Promise((resolve) => (process.child.gone ? resolve(0) : process.child.process.once("exit", resolve)));
        this.#pods.delete(pod);
      } catch (error) {
        if (!this.#stopping) this.failures.push(String(error));
      }
      await sleep(this.#random.between(100, 1500));
    }
  }

  /** What the processes logged as errors, those that are gone among them. */
  get errors(): string[] {
    return this.#logs.flat();
  }

  /** The processes of an agent that are up; of all agents unless told. */
  up(agent?: string): Pod[] {
    return [...this.#pods].filter((it) => !agent || it.agent === agent);
  }

  async untilUp(agent: string, count: number): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (this.up(agent).length < count) {
      if (Date.now() > deadline) throw new Error(`the agent ${agent} does not start: ${this.failures[0]}`);
      await sleep(50);
    }
  }

  /** Ends all for good. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.up().map((it) => it.process.child.end("SIGKILL")));
    await Promise.all(this.#slots);
  }
}
