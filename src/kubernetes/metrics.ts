import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { QueueMetrics } from "./queue-metrics.ts";
import type { WorkQueue } from "./work-queue.ts";

const OUTCOMES = ["success", "error", "requeue_after"] as const;
type Outcome = (typeof OUTCOMES)[number];

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const labelNames = ["controller"] as const;

/** The metrics of controllers, under the names that controller-runtime's dashboards know. */
export class ControllerMetrics {
  readonly #total: Counter<"controller" | "result">;
  readonly #errors: Counter<"controller">;
  readonly #terminal: Counter<"controller">;
  readonly #time: Histogram<"controller">;
  readonly #active: Gauge<"controller">;
  readonly #most: Gauge<"controller">;
  readonly #caughtUp: Gauge<"controller">;
  readonly #leader: Gauge<"name">;
  readonly #requests: Counter<"code" | "method" | "host">;
  readonly #queues: QueueMetrics;

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers });
    const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames, registers });
    this.#queues = new QueueMetrics(registry);
    this.#total = new Counter({
      name: "controller_runtime_reconcile_total",
      help: "Reconciles by controller and result.",
      labelNames: ["controller", "result"],
      registers,
    });
    this.#errors = counter("controller_runtime_reconcile_errors_total", "Reconciles that failed.");
    this.#terminal = counter(
      "controller_runtime_terminal_reconcile_errors_total",
      "Reconciles that failed for good: a retry cannot help until the object changes.",
    );
    this.#time = new Histogram({
      name: "controller_runtime_reconcile_time_seconds",
      help: "How long a reconcile took, in seconds.",
      labelNames,
      buckets: BUCKETS,
      registers,
    });
    this.#active = gauge("controller_runtime_active_workers", "Reconciles under way.");
    this.#most = gauge("controller_runtime_max_concurrent_reconciles", "Reconciles that may be under way at once.");
    this.#caughtUp = gauge(
      "agentpg_controller_caught_up_timestamp_seconds",
      "When a controller had first looked at all there was since its process began, in seconds since 1970; 0 until then.",
    );
    this.#leader = new Gauge({
      name: "leader_election_master_status",
      help: "1 while this process is the leader, 0 while another is.",
      labelNames: ["name"],
      registers,
    });
    this.#requests = new Counter({
      name: "rest_client_requests_total",
      help: "Requests to the API server, by HTTP status code, method and host.",
      labelNames: ["code", "method", "host"],
      registers,
    });
  }

  /** Every series of a controller is there from the start: a rate over what appears later would miss its first increase. */
  observeController(controller: string, queue: WorkQueue, concurrency: number): void {
    this.#queues.observe(controller, queue);
    for (const result of OUTCOMES) this.#total.inc({ controller, result }, 0);
    this.#errors.inc({ controller }, 0);
    this.#terminal.inc({ controller }, 0);
    this.#active.set({ controller }, 0);
    this.#most.set({ controller }, concurrency);
    this.#caughtUp.set({ controller }, 0);
  }

  caughtUp(controller: string): void {
    this.#caughtUp.set({ controller }, Date.now() / 1000);
  }

  startReconcile(controller: string): (result: Outcome) => void {
    this.#active.inc({ controller });
    const stop = this.#time.startTimer({ controller });
    return (result) => {
      stop();
      this.#active.dec({ controller });
      this.#total.inc({ controller, result });
      if (result === "error") this.#errors.inc({ controller });
    };
  }

  failedForGood(controller: string): void {
    this.#terminal.inc({ controller });
  }

  retried(name: string): void {
    this.#queues.retried(name);
  }

  leader(name: string, leading: boolean): void {
    this.#leader.set({ name }, leading ? 1 : 0);
  }

  requested(request: { code: string; method: string; host: string }): void {
    this.#requests.inc(request);
  }
}
