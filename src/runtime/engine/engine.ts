import { setTimeout as sleep } from "node:timers/promises";
import type { AgentConfig } from "../../api/agent-config.ts";
import { TranscriptUnreadable } from "../../database/encryption/errors.ts";
import type { Accepted, Concurrency } from "../../database/runs/accept-run.ts";
import type { RunStep, StepOutcome } from "../../database/runs/apply-steps.ts";
import { requestCancel, requestCancelOfChildren } from "../../database/runs/cancel-run.ts";
import { claimRuns, releaseRuns } from "../../database/runs/claim-runs.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { spendOfChildren } from "../../database/runs/spend-of-children.ts";
import { openConversation, toolExecutionsOf } from "../../database/runs/open-conversation.ts";
import type { ClaimedRun, Conversation, QueuedRun } from "../../database/runs/run.ts";
import { wake } from "../../database/runs/wake.ts";
import { endWorker, renewLeases, type WorkerReport } from "../../database/runs/workers.ts";
import type { Logger } from "../../telemetry/log.ts";
import { BatchMode } from "../batch/batch-mode.ts";
import type { BatchSettings } from "../batch/settings.ts";
import { askWithinWindow } from "../compaction/ask-within-window.ts";
import type { Compactor } from "../compaction/compactor.ts";
import { createCompactor, writeCompaction } from "../compaction/create-compactor.ts";
import { type Hooks, NO_HOOKS } from "../hooks/hook.ts";
import { uuidv7 } from "../uuid.ts";
import { AcceptWriter } from "./accept-writer.ts";
import { askModel, type AskHost } from "./ask.ts";
import { auditLine } from "./audit.ts";
import { BudgetKeeper } from "./budget-keeper.ts";
import { RunChannel } from "./events.ts";
import { LoadMonitor } from "./load-monitor.ts";
import { Execution, type ExecutionEnd, type ExecutionHost } from "./execution.ts";
import { ServedUsers } from "./served-users.ts";
import { StepWriter } from "./step-writer.ts";
import { StopWork } from "./stop.ts";

const NOTHING_TO_REPORT: WorkerReport = { pod: "", credentials: "", problem: null };

export interface EngineOptions extends Omit<AskHost, "budget" | "spentByChildren"> {
  config: AgentConfig;
  /** What this process says of itself with each heartbeat; left out: nothing. */
  report?: () => WorkerReport;
  db: AgentDatabase;
  hooks?: Hooks;
  log: Logger;
  leaseSeconds: number;
  /** How often the queue is looked at, in milliseconds, when no hint comes. */
  pollMs?: number;
  batch?: Partial<BatchSettings> | undefined;
}

/** Before a run is put back after a fault of ours, so that it is not tried in a tight circle. */
const FAULT_PAUSE_MS = 5000;

interface Job {
  run: ClaimedRun;
  channel: RunChannel;
  abort: AbortController;
  done: Promise<void>;
}

export interface Question {
  sessionId: string;
  userId: string;
  message: string;
  variables: Record<string, unknown> | null;
  idempotencyKey: string | null;
  /** What the run will be called, when it has been spoken of before. */
  runId?: string;
}

/**
 * Runs the runs of one agent in this process. A run that is accepted here is worked on here at once; the rest is claimed from the
 * queue: queued runs, runs of workers that are gone, and runs whose other agent has answered.
 */
export class Engine {
  readonly worker = uuidv7();
  /** What the tenant does, over all its pods. */
  readonly load: LoadMonitor;
  /** What of the tenant's and the agent's budgets this process may spend. */
  readonly budget: BudgetKeeper;
  /** Keeps conversations within the model's context window. */
  readonly compactor: Compactor;
  readonly batches: BatchMode;
  readonly #options: EngineOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #writer: StepWriter;
  readonly #accepter: AcceptWriter;
  readonly #host: ExecutionHost;
  readonly #appeared = new Map<string, Set<() => void>>();
  readonly #served = new ServedUsers();
  #forgotten = new Set<string>();
  /** Runs that are being accepted or claimed: they take room already. */
  #starting = 0;
  /** There may be queued runs that this process can take: set when one was queued or found. */
  #queueHint = false;
  #draining = false;
  /** By the monotonic clock. */
  #renewedAt = -Infinity;
  #stopped = false;
  #nudge: () => void = () => {};

  constructor(options: EngineOptions) {
    this.#options = options;
    this.load = new LoadMonitor(options.db, options.config, this.worker);
    this.#writer = new StepWriter(options.db);
    this.#accepter = new AcceptWriter(options.db, {
      agent: options.config.agent.name,
      worker: this.worker,
      model: options.config.model,
      timeoutSeconds: options.config.limits.runTimeoutSeconds,
      concurrency: this.#concurrency,
    });
    const { db, config, tools, log, metrics } = options;
    this.budget = new BudgetKeeper(db, config, config.agent.name, this.worker);
    const spentByChildren = (runId: string) => spendOfChildren(db, runId);
    const asking = { ...options, budget: this.budget, spentByChildren };
    this.compactor = createCompactor(asking, db, log);
    const wakeAgent = () => this.#wake([config.agent.name]);
    this.batches = new BatchMode(asking, { db, log, worker: this.worker, settings: options.batch, wake: wakeAgent });
    this.#host = {
      config,
      tools,
      hooks: options.hooks ?? NO_HOOKS,
      log,
      metrics,
      ask: (messages, execution) =>
        askWithinWindow(this.compactor, execution, config.model, () =>
          this.batches.takes(execution.run)
            ? this.batches.ask(messages, execution)
            : askModel(asking, messages, execution),
        ),
      write: (step) => this.#write(step),
      rewrite: async (step, rewrite) => {
        const applied = await writeCompaction(db, { ...step, worker: this.worker }, rewrite);
        if (applied) this.budget.written(step.run);
        return applied;
      },
      toolExecutions: (runId) => toolExecutionsOf(db, runId),
      wake: (agents) => this.#wake(agents),
      cancelChildren: async (runId) => this.#wake(await requestCancelOfChildren(db, runId)),
    };
  }

  async #write(step: RunStep): Promise<StepOutcome> {
    const outcome = await this.#writer.write({ ...step, worker: this.worker });
    if (outcome.applied) this.budget.written(step.run);
    return outcome;
  }

  get #concurrency(): Concurrency {
    const { tenantLimits, limits } = this.#options.config;
    return {
      tenant: tenantLimits.concurrentRuns,
      agent: limits.concurrentRuns ?? tenantLimits.concurrentRuns,
    };
  }

  get active(): number {
    return this.#jobs.size;
  }
  get draining(): boolean {
    return this.#draining;
  }
  /** Whether this process keeps its leases: else the database takes no writes from it, and others may take its runs. */
  get holdsLeases(): boolean {
    return performance.now() - this.#renewedAt < this.#options.leaseSeconds * 1000;
  }
  channel(runId: string): RunChannel | undefined {
    return this.#jobs.get(runId)?.channel;
  }

  get #room(): number {
    return this.load.room(this.#jobs.size + this.#starting);
  }

  /** Takes a run: written first, then worked on, here if there is room. */
  async accept(question: Question): Promise<{ accepted: Accepted; runId: string }> {
    const runId = question.runId ?? uuidv7();
    const startNow = !this.#draining && this.#room > 0;
    const slot = startNow ? 1 : 0;
    this.#starting += slot;
    try {
      const accepted = await this.#take(runId, question, startNow);
      if (accepted.outcome === "repeated") return { accepted, runId: accepted.runId };
      if (accepted.outcome === "queued") this.#queued();
      if (accepted.outcome === "started") {
        const asked = { role: "user" as const, content: [{ type: "text", text: question.message }] };
        const conversation = { messages: [...accepted.history, asked], lastSeq: accepted.lastSeq };
        this.#begin(this.#justAccepted(runId, question), conversation, false);
      }
      return { accepted, runId };
    } finally {
      this.#starting -= slot;
    }
  }

  #take(id: string, question: Question, startNow: boolean): Promise<Accepted> {
    const { sessionId, userId, message: prompt, variables, idempotencyKey } = question;
    return this.#accepter.accept({ id, sessionId, userId, prompt, variables, idempotencyKey, startNow });
  }

  #queued(): void {
    this.load.wasQueued();
    this.#queueHint = true;
    this.#nudge();
  }

  #justAccepted(id: string, { sessionId, userId, variables }: Question): ClaimedRun {
    const deadline = Date.now() + this.#options.config.limits.runTimeoutSeconds * 1000;
    const tokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
    return {
      id,
      sessionId,
      fence: 1,
      step: 0,
      iteration: 0,
      depth: 0,
      userId,
      variables,
      state: "running",
      batchGroup: null,
      batchId: null,
      cancelRequested: false,
      deadline,
      tokens,
      usd: 0,
    };
  }

  #begin(run: ClaimedRun, conversation: Conversation, resumed: boolean): void {
    const channel = new RunChannel(conversation.lastSeq);
    const abort = new AbortController();
    const job: Job = { run, channel, abort, done: Promise.resolve() };
    this.#jobs.set(run.id, job);
    this.#served.serve(run.userId);
    for (const arrived of this.#appeared.get(run.id) ?? []) arrived();
    if (run.cancelRequested) abort.abort(new StopWork("cancelled"));
    // A tick later, so that whoever accepted the run can listen to its channel from the start.
    job.done = Promise.resolve().then(() => this.#work(job, conversation, resumed));
  }

  async #work(job: Job, conversation: Conversation, resumed: boolean): Promise<void> {
    const { run, channel, abort } = job;
    const { log, metrics } = this.#options;
    const timer = setTimeout(
      () => abort.abort(new StopWork("timeout")),
      Math.max(0, Math.min(run.deadline - Date.now(), 2 ** 31 - 1)),
    );
    const begun = performance.now();
    let end: ExecutionEnd | "faulty" = "faulty";
    try {
      end = await new Execution(this.#host, run, conversation, resumed, channel, abort.signal).work();
    } catch (error) {
      log.error({ run: run.id, err: error as Error }, "work on a run broke off; it is put back");
    }
    clearTimeout(timer);
    this.budget.forget(run.id);
    if (end === "faulty") await sleep(FAULT_PAUSE_MS, undefined, { signal: abort.signal }).catch(() => {});
    if (end === "released" || end === "faulty") await this.#release(run.id);
    this.#jobs.delete(run.id);
    channel.close();
    if (end === "completed" || end === "failed" || end === "cancelled") {
      metrics.runs.inc({ state: end });
      metrics.runSeconds.observe({ state: end }, (performance.now() - begun) / 1000);
    }
    // A run that was parked may have been answered already; and one that waits for the session, or for room, can go on now.
    if (end === "parked" || this.#queueHint) this.#nudge();
  }

  async #release(runId: string): Promise<void> {
    const { db, log } = this.#options;
    await releaseRuns(db, this.worker, [runId]).catch((error) =>
      log.warn({ run: runId, err: error }, "a run was not put back; its lease runs out"),
    );
  }

  /** Looks for work now. */
  nudge(): void {
    this.#nudge();
  }

  /** Tells all pods of the agent that there is work. */
  hint(): void {
    this.#wake([this.#options.config.agent.name]);
    this.#nudge();
  }

  get config(): AgentConfig {
    return this.#options.config;
  }

  /** Waits until this process starts on the run, or for `ms`. */
  async appears(runId: string, ms: number, signal: AbortSignal): Promise<void> {
    const waiting = this.#appeared.get(runId) ?? new Set();
    this.#appeared.set(runId, waiting);
    await new Promise<void>((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        waiting.delete(finish);
        if (!waiting.size) this.#appeared.delete(runId);
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      waiting.add(finish);
      signal.addEventListener("abort", finish, { once: true });
    });
  }

  /** Ends a run as cancelled: here at once, elsewhere by asking its worker. */
  async cancel(runId: string, userId: string, sessionId: string): Promise<void> {
    const { db, config } = this.#options;
    const state = await requestCancel(db, runId);
    this.#jobs.get(runId)?.abort.abort(new StopWork("cancelled"));
    if (state === "pending") await this.#cancelQueued(runId, userId, sessionId);
    else if (state && !this.#jobs.has(runId)) this.#wake([config.agent.name]);
    this.#nudge();
  }

  /** A queued run has no worker: it is ended on the spot, unless it was claimed meanwhile. */
  async #cancelQueued(runId: string, userId: string, sessionId: string): Promise<void> {
    const run = {
      ...this.#justAccepted(runId, { sessionId, userId, message: "", variables: null, idempotencyKey: null }),
      fence: 0,
    };
    const { tokens, usd, fence } = run;
    const audit = [auditLine(this.#options.config, run, "run.cancelled", { success: false, queued: true })];
    const rest = {
      iteration: 0,
      tokens,
      usd,
      messages: [],
      started: [],
      finished: [],
      children: [],
      response: null,
      stopReason: null,
      error: null,
      audit,
    };
    await this.#writer.write({ run: runId, fence, step: 1, from: "pending", to: "cancelled", ...rest });
  }

  #wake(agents: string[]): void {
    const { db, log } = this.#options;
    wake(db, db.schema, agents).catch((error) =>
      log.debug({ err: error }, "a hint was not sent; polling finds the work"),
    );
  }

  /** Starts to hold leases and to look for work. @throws when the database cannot be reached */
  async start(): Promise<void> {
    await this.#beat();
    void this.#heartbeats();
    void this.#claims();
    this.batches.start();
  }

  async #heartbeats(): Promise<void> {
    const { leaseSeconds, log } = this.#options;
    while (!this.#stopped) {
      await sleep((leaseSeconds * 1000) / 4);
      if (this.#stopped) return;
      await this.#beat().catch((error) => log.warn({ err: error }, "leases were not renewed"));
      await this.load.refresh().catch(() => {});
      await this.budget.giveBack().catch(() => {});
    }
  }

  async #beat(): Promise<void> {
    const { db, config, leaseSeconds } = this.#options;
    const report = this.#options.report?.() ?? NOTHING_TO_REPORT;
    const began = performance.now();
    const held = await renewLeases(db, this.worker, config.agent.name, leaseSeconds, report);
    this.#renewedAt = began;
    for (const { id, cancelRequested } of held) {
      if (cancelRequested) this.#jobs.get(id)?.abort.abort(new StopWork("cancelled"));
    }
    await this.#releaseForgotten(held.map((it) => it.id).filter((id) => !this.#jobs.has(id)));
  }

  /**
   * Runs that are ours in the database but not here: the answer to a write got lost with its connection. Put back when seen twice,
   * because one that is being accepted just now looks the same.
   */
  async #releaseForgotten(ids: string[]): Promise<void> {
    const twice = ids.filter((id) => this.#forgotten.has(id));
    this.#forgotten = new Set(ids);
    if (twice.length === 0) return;
    await releaseRuns(this.#options.db, this.worker, twice);
    this.#nudge();
  }

  async #claims(): Promise<void> {
    const { log, pollMs = 1000 } = this.#options;
    while (!this.#stopped && !this.#draining) {
      const nudged = new Promise<void>((resolve) => (this.#nudge = resolve));
      const full = await this.#claimSome().catch((error) => {
        log.warn({ err: error }, "the queue could not be read");
        return false;
      });
      if (!full) await Promise.race([nudged, sleep(pollMs * (0.8 + Math.random() * 0.2))]);
    }
  }

  /** @returns whether there may be more */
  async #claimSome(): Promise<boolean> {
    const { db, config, metrics } = this.#options;
    const room = Math.min(20, this.#room);
    if (room <= 0) return false;
    this.#queueHint = false;
    this.#starting += room;
    try {
      const concurrency = this.#concurrency;
      const served = this.#served.order;
      const claim = { agent: config.agent.name, worker: this.worker, room, model: config.model, concurrency, served };
      const runs = await claimRuns(db, { ...claim, timeoutSeconds: config.limits.runTimeoutSeconds });
      metrics.resumed.inc(runs.length);
      if (runs.length > 0) this.#queueHint = true; // behind it in its session there may be another
      await Promise.all(runs.map((run) => this.#resume(run)));
      return runs.length === room;
    } finally {
      this.#starting -= room;
    }
  }

  async #resume(run: QueuedRun): Promise<void> {
    try {
      const conversation = await openConversation(this.#options.db, run);
      if (conversation) this.#begin({ ...run, variables: conversation.variables }, conversation, true);
    } catch (error) {
      const unreadable = error instanceof TranscriptUnreadable;
      const then = unreadable ? "it fails" : "it is put back";
      this.#options.log.error({ run: run.id, err: error as Error }, `a claimed run could not be read; ${then}`);
      await (unreadable ? this.#failUnreadable(run) : this.#release(run.id));
    }
  }

  /** Ends a run whose conversation nobody can read: put back, it would be claimed again and again. */
  async #failUnreadable(run: QueuedRun): Promise<void> {
    const { log, config } = this.#options;
    const error = {
      type: "transcript_unreadable",
      message: "this conversation cannot be read: ask your administrator",
    };
    const { id, fence, step, iteration, tokens, usd } = run;
    const audit = [auditLine(config, run, "run.failed", { success: false, error: error.type })];
    const nothing = { messages: [], started: [], finished: [], children: [], response: null, stopReason: null };
    const end = { run: id, fence, step: step + 1, from: "running", to: "failed", iteration, tokens, usd } as const;
    await this.#writer
      .write({ ...end, ...nothing, error, audit, worker: this.worker })
      .then(({ parentAgent }) => parentAgent && this.#wake([parentAgent]))
      .catch((cause) => log.warn({ run: id, err: cause }, "a run could not be ended; its lease runs out"));
  }

  /** Takes no more work, lets what is under way finish for so long, then puts the rest back for others, and lets go of everything. */
  async drain(seconds: number): Promise<void> {
    const { db, log } = this.#options;
    this.#draining = true;
    this.#nudge();
    const all = () => Promise.all([...this.#jobs.values()].map((it) => it.done));
    const timeUp = new AbortController();
    await Promise.race([all(), sleep(seconds * 1000, undefined, { signal: timeUp.signal }).catch(() => {})]);
    timeUp.abort();
    if (this.#jobs.size) log.info({ runs: this.#jobs.size }, "the grace period is over: runs are handed back");
    for (const job of this.#jobs.values()) job.abort.abort(new StopWork("handback"));
    await all();
    await this.batches.stop();
    this.#stopped = true;
    await endWorker(db, this.worker).catch(() => {});
    this.#wake([this.#options.config.agent.name]);
  }
}
