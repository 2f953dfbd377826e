import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { WorkQueue } from "./work-queue.ts";

type Outcome = "success" | "error" | "requeue_after";

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** The metrics of controllers, under the names that controller-runtime's dashboards know. */
export class ControllerMetrics {
  readonly #total: Counter<"controller" | "result">;
  readonly #errors: Counter<"controller">;
  readonly #time: Histogram<"controller">;
  readonly #active: Gauge<"controller">;
  readonly #retries: Counter<"name">;
  readonly #leader: Gauge<"name">;
  readonly #queues = new Map<string, WorkQueue>();

  constructor(registry: Registry) {
    const registers = [registry];
    const labelNames = ["controller"] as const;
    this.#total = new Counter({
      name: "controller_runtime_reconcile_total",
      help: "Reconciles by controller and result.",
      labelNames: ["controller", "result"],
      registers,
    });
    this.#errors = new Counter({
      name: "controller_runtime_reconcile_errors_total",
      help: "Reconciles that failed.",
      labelNames,
      registers,
    });
    this.#time = new Histogram({
      name: "controller_runtime_reconcile_time_seconds",
      help: "How long a reconcile took, in seconds.",
      labelNames,
      buckets: BUCKETS,
      registers,
    });
    this.#active = new Gauge({
      name: "controller_runtime_active_workers",
      help: "Reconciles under way.",
      labelNames,
      registers,
    });
    this.#retries = new Counter({
      name: "workqueue_retries_total",
      help: "Keys put back after a failure.",
      labelNames: ["name"],
      registers,
    });
    this.#leader = new Gauge({
      name: "leader_election_master_status",
      help: "1 while this process is the leader.",
      labelNames: ["name"],
      registers,
    });
    this.#queueGauge(registry, "workqueue_depth", "Keys that wait.", (queue) => queue.depth);
    this.#queueGauge(
      registry,
      "workqueue_unfinished_work_seconds",
      "Age of the key that has waited longest, in seconds.",
      (queue) => queue.oldestMs() / 1000,
    );
  }

  #queueGauge(registry: Registry, name: string, help: string, value: (queue: WorkQueue) => number): void {
    const queues = this.#queues;
    new Gauge({
      name,
      help,
      labelNames: ["name"],
      registers: [registry],
      collect() {
        for (const [queue, it] of queues) this.set({ name: queue }, value(it));
      },
    });
  }

  observeQueue(name: string, queue: WorkQueue): void {
    this.#queues.set(name, queue);
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

  retried(name: string): void {
    this.#retries.inc({ name });
  }

  leader(name: string, leading: boolean): void {
    this.#leader.set({ name }, leading ? 1 : 0);
  }
}
