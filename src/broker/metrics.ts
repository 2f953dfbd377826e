import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { BrokerRefusal } from "../api/broker-config.ts";
import type { Tokens } from "../database/runs/run.ts";
import type { CallKind } from "./routes.ts";

/** What became of a call: `answered` by the endpoint, with an error of it as `failed`, not passed on, or broken off. */
export type CallEnd = "answered" | "failed" | "refused" | "interrupted";

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const OWN_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/** What the gauges read when they are scraped. Must not throw. */
export interface BrokerGauges {
  ready: () => boolean;
  keyPresent: () => boolean;
  budgetRatio: () => number;
}

/** The metrics of a tenant's key broker. Labels are bounded: kinds, outcomes and reasons; never a pod, an agent or a model. */
export class BrokerMetrics {
  readonly registry = new Registry();
  readonly #calls: Counter<"kind" | "outcome">;
  readonly #refused: Counter<"reason">;
  readonly #tokens: Counter<"type">;
  readonly #underWay: Gauge;
  readonly #ownSeconds: Histogram;
  readonly #endpointSeconds: Histogram;

  constructor({ ready, keyPresent, budgetRatio }: BrokerGauges) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    const gauge = (name: string, help: string, read?: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        ...(read
          ? {
              collect() {
                this.set(read());
              },
            }
          : {}),
      });
    gauge("agentpg_broker_ready", "1 while this process takes calls, 0 while /readyz says why it does not.", () =>
      Number(ready()),
    );
    gauge("agentpg_broker_key_present", "1 while there is an API key to call the model with.", () =>
      Number(keyPresent()),
    );
    gauge(
      "agentpg_broker_budget_ratio",
      "Spent part of the tenant's tightest budget, by what runs wrote down or by what went through this process, whichever is more; 0 without a budget.",
      budgetRatio,
    );
    this.#underWay = gauge("agentpg_broker_calls_active", "Calls of agents that are under way.");
    this.#calls = new Counter({
      name: "agentpg_broker_calls_total",
      help: "Calls of agents, by what they are about (kind) and what became of them: answered, failed (the model endpoint answered with an error), refused (by the broker), interrupted.",
      labelNames: ["kind", "outcome"],
      registers,
    });
    this.#refused = new Counter({
      name: "agentpg_broker_refused_total",
      help: "Calls that the broker did not pass on, by reason.",
      labelNames: ["reason"],
      registers,
    });
    this.#tokens = new Counter({
      name: "agentpg_broker_tokens_total",
      help: "Tokens of the answers that went through, by type; without those of batches.",
      labelNames: ["type"],
      registers,
    });
    this.#ownSeconds = new Histogram({
      name: "agentpg_broker_check_seconds",
      help: "From the arrival of a call to its being sent on, in seconds: what the broker itself adds.",
      buckets: OWN_SECONDS,
      registers,
    });
    this.#endpointSeconds = new Histogram({
      name: "agentpg_broker_endpoint_seconds",
      help: "From a call's being sent on to the first of its answer, in seconds.",
      buckets: SECONDS,
      registers,
    });
  }

  /** @returns to be called with what became of the call */
  called(): (kind: CallKind | "none", outcome: CallEnd) => void {
    this.#underWay.inc();
    return (kind, outcome) => {
      this.#underWay.dec();
      this.#calls.inc({ kind, outcome });
    };
  }
  refused(reason: BrokerRefusal): void {
    this.#refused.inc({ reason });
  }
  sent(seconds: number): void {
    this.#ownSeconds.observe(seconds);
  }
  answered(seconds: number): void {
    this.#endpointSeconds.observe(seconds);
  }
  tokens({ input, output, cacheRead, cacheWrite }: Tokens): void {
    if (input) this.#tokens.inc({ type: "input" }, input);
    if (output) this.#tokens.inc({ type: "output" }, output);
    if (cacheRead) this.#tokens.inc({ type: "cache_read" }, cacheRead);
    if (cacheWrite) this.#tokens.inc({ type: "cache_write" }, cacheWrite);
  }
}
