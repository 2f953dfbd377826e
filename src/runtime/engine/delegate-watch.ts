import { type AbandonedChild, abandonedChildren, giveUpChild } from "../../database/runs/abandoned-children.ts";
import type { RunStep } from "../../database/runs/apply-steps.ts";
import type { RunError } from "../../database/runs/run.ts";
import type { AgentConfig } from "../../api/agent-config.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { cancelledBeforeWork } from "./end-without-work.ts";

interface DelegateWatchHost {
  config: AgentConfig;
  db: AgentDatabase;
  write(step: RunStep): Promise<unknown>;
  /** Runs of this agent may go on. */
  answered(): void;
  /** By the monotonic clock, in milliseconds. */
  now?: () => number;
}

const unavailable = ({ agent }: AbandonedChild, seconds: number): RunError => ({
  type: "agent_unavailable",
  message: `the agent ${agent} has had no running pod for ${seconds} s. Answer without it, and say that it is not available: whoever runs it has to scale the Agent ${agent} up, or create it`,
});

/** Gives up what agents were asked for that have been without a living worker for so long; one that restarts is waited for. */
export class DelegateWatch {
  readonly #host: DelegateWatchHost;
  readonly #absentSince = new Map<string, number>();

  constructor(host: DelegateWatchHost) {
    this.#host = host;
  }

  /** @throws when the database cannot be reached */
  async look(): Promise<void> {
    const { config, db, answered, now = () => performance.now() } = this.#host;
    if (!config.tools.some((it) => it.agent)) return;
    const abandoned = await abandonedChildren(db, config.agent.name);
    const absent = new Set(abandoned.map((it) => it.agent));
    for (const agent of this.#absentSince.keys()) if (!absent.has(agent)) this.#absentSince.delete(agent);
    for (const agent of absent) if (!this.#absentSince.has(agent)) this.#absentSince.set(agent, now());
    const before = now() - config.limits.delegateAbsenceSeconds * 1000;
    const hopeless = abandoned.filter(({ agent }) => (this.#absentSince.get(agent) ?? Infinity) <= before);
    for (const child of hopeless) await this.#giveUp(child);
    if (hopeless.length) answered();
  }

  async #giveUp(child: AbandonedChild): Promise<void> {
    const { config, db, write } = this.#host;
    const error = unavailable(child, config.limits.delegateAbsenceSeconds);
    if (child.state !== "pending") return giveUpChild(db, child.id, error);
    await write(cancelledBeforeWork(config, child, error));
  }
}
