import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { RunError } from "../../database/runs/run.ts";
import type { ModelFailure } from "../model/failure.ts";
import type { Exemplar } from "../tracing/exemplar.ts";
import { BoundedNames, modelErrorLabel, runFailureLabel } from "./labels.ts";

/** Tools that have series of their own; the others share one, so that a scrape stays small whatever the configuration lists. */
const MOST_TOOLS = 48;

const LONG_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const SHORT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** A histogram whose buckets may name a trace; that is none of its labels. */
type Traceable<Label extends string> = Histogram<Label | keyof Exemplar>;
const NO_TRACE: Partial<Exemplar> = {};

/** What became of a call that the model made of a tool. */
export type ToolCallEnd = "ok" | "error" | "timeout" | "invalid" | "blocked";

/** The agent's metrics. Labels are bounded: states, tool and model names of the configuration; never a session or a user. */
export class RuntimeMetrics {
  readonly registry = new Registry();
  readonly runsAccepted: Counter<"outcome">;
  readonly modelTokens: Counter<"type" | "model">;
  readonly modelUsd: Counter<"model">;
  readonly modelRetries: Counter<"kind">;
  readonly approvals: Counter<"outcome">;
  readonly requestsRefused: Counter<"reason">;
  readonly hooks: Counter<"hook" | "outcome">;
  readonly piiFindings: Counter<"kind" | "action">;
  readonly resumed: Counter;
  readonly compactions: Counter<"outcome">;
  readonly batches: Counter<"outcome">;
  readonly traceSpans: Counter<"outcome">;
  readonly #runs: Counter<"state">;
  readonly #runSeconds: Traceable<"state">;
  readonly #runFailures: Counter<"type">;
  readonly #firstTokenSeconds: Traceable<never>;
  readonly #modelErrors: Counter<"type">;
  readonly #modelSeconds: Traceable<"outcome">;
  readonly #toolCalls: Counter<"tool" | "outcome">;
  readonly #toolSeconds: Traceable<"kind">;
  readonly #tools = new BoundedNames(MOST_TOOLS);

  constructor(info: { model: string; version: string }) {
    const { registry } = this;
    const registers = [registry];
    collectDefaultMetrics({ register: registry });
    const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
      new Counter<Label>({ name, help, labelNames, registers });
    const histogram = <Label extends string>(name: string, help: string, buckets: number[], ...labelNames: Label[]) => {
      const options = { name, help, labelNames, buckets, registers: [], enableExemplars: true };
      const made = new Histogram<Label | keyof Exemplar>(options);
      registry.registerMetric(made); // named above it would be refused: that is for registries that write OpenMetrics only
      return made;
    };

    this.runsAccepted = counter(
      "agentpg_runs_accepted_total",
      "Runs that this process took from callers, by outcome: started at once, or queued.",
      "outcome",
    );
    this.#runs = counter(
      "agentpg_runs_total",
      "Runs that ended here, by state: completed, failed, cancelled.",
      "state",
    );
    this.#runSeconds = histogram(
      "agentpg_run_duration_seconds",
      "From the start of the work on a run in this process to its end, in seconds, by state.",
      LONG_SECONDS,
      "state",
    );
    this.#runFailures = counter(
      "agentpg_run_failures_total",
      "Runs that failed here, by the type of their error: timeout, budget_exceeded, api_key_refused and the like.",
      "type",
    );
    this.resumed = counter("agentpg_runs_resumed_total", "Runs taken from the queue or from another worker.");
    this.#firstTokenSeconds = histogram(
      "agentpg_time_to_first_token_seconds",
      "From asking the model to its first text, in seconds.",
      LONG_SECONDS,
    );
    this.#modelSeconds = histogram(
      "agentpg_model_call_duration_seconds",
      "How long a call of the model took with all its retries, in seconds, by outcome: answered, failed.",
      LONG_SECONDS,
      "outcome",
    );
    this.modelTokens = counter(
      "agentpg_model_tokens_total",
      "Tokens by type: input, output, cache_read, cache_write.",
      "type",
      "model",
    );
    this.modelUsd = counter("agentpg_model_usd_total", "Spend in US dollars, by the built-in price table.", "model");
    this.#modelErrors = counter(
      "agentpg_model_errors_total",
      "Failed attempts to call the model, by the API's error type; most are retried.",
      "type",
    );
    this.modelRetries = counter(
      "agentpg_model_retries_total",
      "Attempts that were made again, by why: busy (overload, rate limit, out of reach) or interrupted (the stream broke).",
      "kind",
    );
    this.#toolCalls = counter(
      "agentpg_tool_calls_total",
      "Tool calls by outcome: ok, error, timeout, invalid (input that does not fit, or no such tool), blocked (by a hook).",
      "tool",
      "outcome",
    );
    this.#toolSeconds = histogram(
      "agentpg_tool_call_duration_seconds",
      "How long a tool call took with all its attempts, in seconds, by the tool's kind.",
      SHORT_SECONDS,
      "kind",
    );
    this.approvals = counter(
      "agentpg_approvals_total",
      "Tool calls that wait for a person: requested, and then approved, denied or expired.",
      "outcome",
    );
    this.requestsRefused = counter(
      "agentpg_requests_refused_total",
      "API requests that were not served, by the problem's code: unauthenticated, forbidden, too-many-requests, unavailable and the like.",
      "reason",
    );
    this.hooks = counter(
      "agentpg_hooks_total",
      "Calls of hooks by outcome: allowed, changed, blocked, failed, timeout.",
      "hook",
      "outcome",
    );
    this.piiFindings = counter(
      "agentpg_pii_findings_total",
      "Personal data and secrets that were found, by kind and by what was done: redacted, blocked.",
      "kind",
      "action",
    );
    this.compactions = counter(
      "agentpg_compactions_total",
      "Conversations that were too long, by what became of them: pruned, summarised, summary_failed, unchanged, too_full.",
      "outcome",
    );
    this.batches = counter(
      "agentpg_batches_total",
      "Message batches by what became of them: submitted, refused, unanswered (then recovered or not_created), ended, gone, cancelled.",
      "outcome",
    );
    this.traceSpans = counter(
      "agentpg_trace_spans_total",
      "Spans by what became of them: exported, dropped (too many waited), failed (the collector did not take them in time).",
      "outcome",
    );
    const build = new Gauge({
      name: "agentpg_build_info",
      help: "Always 1; says what runs.",
      labelNames: ["version", "model"],
      registers,
    });
    build.set(info, 1);
    this.#startAtNothing(info.model);
  }

  /** A rate over a series that appears with its first event would miss that event: the alerts' series are there from the start. */
  #startAtNothing(model: string): void {
    for (const state of ["completed", "failed", "cancelled"]) this.#runs.inc({ state }, 0);
    for (const outcome of ["started", "queued"]) this.runsAccepted.inc({ outcome }, 0);
    for (const reason of ["unauthenticated", "forbidden", "too-many-requests"]) this.requestsRefused.inc({ reason }, 0);
    for (const type of ["overloaded_error", "rate_limit_error", "unreachable", "api_key_refused"])
      this.#modelErrors.inc({ type }, 0);
    for (const outcome of ["requested", "approved", "denied", "expired"]) this.approvals.inc({ outcome }, 0);
    for (const type of ["input", "output", "cache_read", "cache_write"]) this.modelTokens.inc({ type, model }, 0);
    this.modelUsd.inc({ model }, 0);
  }

  runEnded(
    state: "completed" | "failed" | "cancelled",
    value: number,
    exemplarLabels: Partial<Exemplar> = NO_TRACE,
  ): void {
    this.#runs.inc({ state });
    this.#runSeconds.observe({ labels: { state }, value, exemplarLabels });
  }

  runFailed({ type }: Pick<RunError, "type">): void {
    this.#runFailures.inc({ type: runFailureLabel(type) });
  }

  /** The model's first word of an answer came. */
  firstToken(value: number, exemplarLabels: Partial<Exemplar> = NO_TRACE): void {
    this.#firstTokenSeconds.observe({ labels: {}, value, exemplarLabels });
  }

  /** An attempt failed; most are made again. */
  modelFailed({ type }: Pick<ModelFailure, "type">): void {
    this.#modelErrors.inc({ type: modelErrorLabel(type) });
  }

  /** Starts the clock of a call; the function that it gives stops it. */
  modelCalled(): (outcome: "answered" | "failed", exemplar?: Partial<Exemplar>) => void {
    const begun = performance.now();
    return (outcome, exemplarLabels = NO_TRACE) => {
      this.#modelSeconds.observe({ labels: { outcome }, value: (performance.now() - begun) / 1000, exemplarLabels });
    };
  }

  /** @param tool undefined: one that the model made up */
  toolCalled(tool: string | undefined, outcome: ToolCallEnd): void {
    this.#toolCalls.inc({ tool: tool === undefined ? "unknown" : this.#tools.label(tool), outcome });
  }

  toolTook(kind: string, value: number, exemplarLabels: Partial<Exemplar> = NO_TRACE): void {
    this.#toolSeconds.observe({ labels: { kind }, value, exemplarLabels });
  }
}
