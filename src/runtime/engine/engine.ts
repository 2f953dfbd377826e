import { setTimeout as sleep } from "node:timers/promises";
import type { AgentConfig } from "../../api/agent-config.ts";
import { TranscriptUnreadable } from "../../database/encryption/errors.ts";
import type { Accepted, Concurrency } from "../../database/runs/accept-run.ts";
import type { RunStep, StepOutcome } from "../../database/runs/apply-steps.ts";
import { requestCancel } from "../../database/runs/cancel-run.ts";
import { claimRuns, releaseRuns } from "../../database/runs/claim-runs.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { spendOfChildren } from "../../database/runs/spend-of-children.ts";
import { openConversation, toolExecutionsOf, unreadExecutionsOf } from "../../database/runs/open-conversation.ts";
import type { ClaimedRun, Conversation, QueuedRun } from "../../database/runs/run.ts";
import { wake } from "../../database/runs/wake.ts";
import { endWorker, type WorkerReport } from "../../database/runs/workers.ts";
import type { Logger } from "../../telemetry/log.ts";
import { BatchMode } from "../batch/batch-mode.ts";
import type { BatchSettings } from "../batch/settings.ts";
import { askWithinWindow } from "../compaction/ask-within-window.ts";
import type { Compactor } from "../compaction/compactor.ts";
import { createCompactor, writeCompaction } from "../compaction/create-compactor.ts";
import { type Hooks, NO_HOOKS } from "../hooks/hook.ts";
import { exemplarOf } from "../tracing/exemplar.ts";
import { uuidv7 } from "../uuid.ts";
import { AcceptWriter } from "./accept-writer.ts";
import { askModel, type AskHost } from "./ask.ts";
import { BudgetKeeper } from "./budget-keeper.ts";
import { Claimer } from "./claimer.ts";
import { DelegateWatch } from "./delegate-watch.ts";
import { cancelledBeforeWork, failedUnread } from "./end-without-work.ts";
import { RunChannel } from "./events.ts";
import { Execution, type ExecutionEnd, type ExecutionHost } from "./execution.ts";
import { freshRun } from "./fresh-run.ts";
import { Heartbeat } from "./heartbeat.ts";
import { type Job, Jobs } from "./jobs.ts";
import { LoadMonitor } from "./load-monitor.ts";
import { ServedUsers } from "./served-users.ts";
import { StepWriter } from "./step-writer.ts";
import { StopWork } from "./stop.ts";
import { UnwantedRuns } from "./unwanted-runs.ts";

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

export interface Question {
  sessionId: string;
  userId: string;
  message: string;
  variables: Record<string, unknown> | null;
  idempotencyKey: string | null;
  /** What the run will be called, when it has been spoken of before. */
  runId?: string;
  /** Where it is asked, as a traceparent; left out: nobody traces that. */
  trace?: string | undefined;
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
  readonly #jobs = new Jobs();
  readonly #heartbeat: Heartbeat;
  readonly #claimer: Claimer;
  readonly #delegates: DelegateWatch;
  readonly #unwanted: UnwantedRuns;
  readonly #writer: StepWriter;
  readonly #accepter: AcceptWriter;
  readonly #host: ExecutionHost;
  readonly #served = new ServedUsers();
  /** Runs that are being accepted: they take room already. */
  #accepting = 0;
  /** Runs that are being accepted or opened: not worked on yet, and not forgotten either. */
  readonly #beginning = new Set<string>();
  /** Ends with the time that a drain leaves for what is under way. */
  readonly #handback = new AbortController();
  #draining = false;

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
    this.#heartbeat = this.#heartbeatOf(options);
    this.#claimer = this.#claimerOf(options);
    const write = (step: RunStep) => this.#writer.write(step);
    this.#delegates = new DelegateWatch({ config, db, write, answered: () => this.hint() });
    this.#unwanted = this.#unwantedOf(options);
    this.compactor = createCompactor(asking, db, log);
    const wakeAgent = () => this.#wake([config.agent.name]);
    this.batches = new BatchMode(asking, { db, log, worker: this.worker, settings: options.batch, wake: wakeAgent });
    this.#host = {
      config,
      tools,
      hooks: options.hooks ?? NO_HOOKS,
      protection: options.protection,
      tracing: options.tracing,
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
      unreadExecutions: (runId) => unreadExecutionsOf(db, runId),
      wake: (agents) => this.#wake(agents),
      cancelChildren: (runId) => this.#unwanted.below(runId),
    };
  }

  #heartbeatOf({ db, log, config, leaseSeconds, report = () => NOTHING_TO_REPORT }: EngineOptions): Heartbeat {
    return new Heartbeat({
      db,
      log,
      worker: this.worker,
      agent: config.agent.name,
      leaseSeconds,
      report,
      worksOn: (id) => this.#jobs.get(id) !== undefined || this.#beginning.has(id),
      cancel: (id) => this.#jobs.stop(id, "cancelled"),
      released: () => this.#claimer.nudge(),
      alongside: async () => {
        await this.load.refresh().catch(() => {});
        await this.budget.giveBack().catch(() => {});
        await this.#delegates.look().catch(() => {});
        await this.#unwanted.look().catch(() => {});
      },
    });
  }

  #claimerOf({ log, pollMs = 1000 }: EngineOptions): Claimer {
    return new Claimer({
      log,
      pollMs,
      room: () => this.#room,
      lookForRoom: (ms) => this.load.refreshIfFull(this.#taken, ms),
      claim: (room) => this.#claim(room),
      resume: (run) => this.#resume(run),
    });
  }

  #unwantedOf({ config, db, log }: EngineOptions): UnwantedRuns {
    return new UnwantedRuns({
      config,
      db,
      log,
      worker: this.worker,
      write: (step) => this.#writer.write(step),
      execution: () => this.#host,
      cancel: (id) => this.#jobs.stop(id, "cancelled"),
      wake: (agents) => this.#wake(agents),
    });
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
    return this.#heartbeat.holdsLeases;
  }
  channel(runId: string): RunChannel | undefined {
    return this.#jobs.get(runId)?.channel;
  }

  get #room(): number {
    return this.load.room(this.#taken);
  }
  get #taken(): number {
    return this.#jobs.size + this.#accepting + this.#claimer.taking;
  }

  /** Takes a run: written first, then worked on, here if there is room. */
  async accept(question: Question): Promise<{ accepted: Accepted; runId: string }> {
    const runId = question.runId ?? uuidv7();
    if (this.#room <= 0 && this.#claimer.taking > 0) await this.#claimer.settled(); // a look at the queue takes all room for a moment
    const startNow = !this.#draining && this.#room > 0;
    const slot = startNow ? 1 : 0;
    this.#accepting += slot;
    this.#beginning.add(runId);
    try {
      const accepted = await this.#take(runId, question, startNow);
      if (accepted.outcome === "repeated") return { accepted, runId: accepted.runId };
      const { outcome } = accepted;
      if (outcome === "started" || outcome === "queued") this.#options.metrics.runsAccepted.inc({ outcome });
      if (accepted.outcome === "queued") this.#queued();
      if (accepted.outcome === "started") {
        const asked = { role: "user" as const, content: [{ type: "text", text: question.message }] };
        const conversation = { messages: [...accepted.history, asked], lastSeq: accepted.lastSeq };
        this.#begin(this.#justAccepted(runId, question), conversation, false);
      }
      return { accepted, runId };
    } finally {
      this.#accepting -= slot;
      this.#beginning.delete(runId);
    }
  }

  #take(id: string, question: Question, startNow: boolean): Promise<Accepted> {
    const { sessionId, userId, message: prompt, variables, idempotencyKey, trace } = question;
    return this.#accepter.accept({ id, sessionId, userId, prompt, variables, idempotencyKey, startNow, trace });
  }

  #queued(): void {
    this.load.wasQueued();
    this.#claimer.queued();
  }

  #justAccepted(id: string, { sessionId, userId, variables, trace }: Question): ClaimedRun {
    const deadline = Date.now() + this.#options.config.limits.runTimeoutSeconds * 1000;
    return freshRun({ id, sessionId, userId, variables, deadline, trace });
  }

  #begin(run: ClaimedRun, conversation: Conversation, resumed: boolean): void {
    const channel = new RunChannel(conversation.lastSeq);
    const abort = new AbortController();
    const job: Job = { run, channel, abort, done: Promise.resolve() };
    this.#jobs.add(job);
    this.#served.serve(run.userId);
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
    if (end === "faulty") await sleep(FAULT_PAUSE_MS, undefined, { signal: this.#handback.signal }).catch(() => {});
    if (end === "released" || end === "faulty") await this.#release(run);
    this.#jobs.remove(job);
    channel.close();
    if (end === "completed" || end === "failed" || end === "cancelled") {
      metrics.runEnded(end, (performance.now() - begun) / 1000, exemplarOf(run.trace));
    }
    // A run that was parked may have been answered already; and one that waits for the session, or for room, can go on now.
    if (end === "parked" || this.#claimer.mayBeMore) this.#claimer.nudge();
  }

  async #release(run: { id: string; fence: number }): Promise<void> {
    const { db, log } = this.#options;
    await releaseRuns(db, this.worker, [run]).catch((error) =>
      log.warn({ run: run.id, err: error }, "a run was not put back; its lease runs out"),
    );
  }

  /** Looks for work now. */
  nudge(): void {
    this.#claimer.nudge();
  }

  /** Tells all pods of the agent that there is work. */
  hint(): void {
    this.#wake([this.#options.config.agent.name]);
    this.#claimer.nudge();
  }

  get config(): AgentConfig {
    return this.#options.config;
  }

  /** Waits until this process starts on the run, or for `ms`. */
  appears(runId: string, ms: number, signal: AbortSignal): Promise<void> {
    return this.#jobs.appears(runId, ms, signal);
  }

  /** Ends a run as cancelled: here at once, elsewhere by asking its worker; a queued one has none, and is ended on the spot. */
  async cancel(runId: string, userId: string, sessionId: string): Promise<void> {
    const { db, config } = this.#options;
    const state = await requestCancel(db, runId);
    this.#jobs.stop(runId, "cancelled");
    if (state === "pending") await this.#writer.write(cancelledBeforeWork(config, { id: runId, sessionId, userId }));
    else if (state && !this.#jobs.get(runId)) this.#wake([config.agent.name]);
    this.#claimer.nudge();
  }

  #wake(agents: string[]): void {
    const { db, log } = this.#options;
    wake(db, db.schema, agents).catch((error) =>
      log.debug({ err: error }, "a hint was not sent; polling finds the work"),
    );
  }

  /** Starts to hold leases and to look for work. @throws when the database cannot be reached */
  async start(): Promise<void> {
    await this.#heartbeat.start();
    void this.#claimer.run();
    this.batches.start();
  }

  async #claim(room: number): Promise<QueuedRun[]> {
    const { db, config, metrics } = this.#options;
    const runs = await claimRuns(db, {
      agent: config.agent.name,
      worker: this.worker,
      room,
      model: config.model,
      timeoutSeconds: config.limits.runTimeoutSeconds,
      concurrency: this.#concurrency,
      served: this.#served.order,
    });
    metrics.resumed.inc(runs.length);
    return runs;
  }

  async #resume(run: QueuedRun): Promise<void> {
    this.#beginning.add(run.id);
    try {
      const conversation = await openConversation(this.#options.db, run);
      if (conversation) this.#begin({ ...run, variables: conversation.variables }, conversation, true);
    } catch (error) {
      const unreadable = error instanceof TranscriptUnreadable;
      const then = unreadable ? "it fails" : "it is put back";
      this.#options.log.error({ run: run.id, err: error as Error }, `a claimed run could not be read; ${then}`);
      await (unreadable ? this.#failUnreadable(run) : this.#release(run));
    } finally {
      this.#beginning.delete(run.id);
    }
  }

  async #failUnreadable(run: QueuedRun): Promise<void> {
    const { log, config } = this.#options;
    await this.#writer
      .write(failedUnread(config, run, this.worker))
      .then(({ parentAgent }) => parentAgent && this.#wake([parentAgent]))
      .catch((cause) => log.warn({ run: run.id, err: cause }, "a run could not be ended; its lease runs out"));
  }

  /** Takes no more work, lets what is under way finish for so long, then puts the rest back for others, and lets go of everything. */
  async drain(seconds: number): Promise<void> {
    const { db, log } = this.#options;
    this.#draining = true;
    this.#claimer.stop();
    const timeUp = new AbortController();
    const grace = sleep(seconds * 1000, undefined, { signal: timeUp.signal }).catch(() => {});
    await Promise.race([this.#jobs.done(), grace]);
    timeUp.abort();
    if (this.#jobs.size) log.info({ runs: this.#jobs.size }, "the grace period is over: runs are handed back");
    this.#handback.abort();
    this.#jobs.stopAll("handback");
    await this.#jobs.done();
    await this.batches.stop();
    this.#heartbeat.stop();
    await endWorker(db, this.worker).catch(() => {});
    this.#wake([this.#options.config.agent.name]);
  }
}
