import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Priority, WorkQueue } from "./work-queue.ts";

/** controller-runtime labels a queue with its controller twice. */
const labelNames = ["name", "controller"] as const;
type Labels = (typeof labelNames)[number];
const labels = (name: string) => ({ name, controller: name });

/** The numbers that controller-runtime gives to fresh changes and to the backlog of a start. */
const PRIORITIES: Record<Priority, string> = { high: "0", low: "-100" };
/** client-go's, in seconds. */
const BUCKETS = [0.001, 0.01, 0.1, 1, 5, 10, 30, 60, 300, 1000];

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** The metrics of work queues: client-go's `workqueue_*`. */
export class QueueMetrics {
  readonly #added: Counter<Labels>;
  readonly #retries: Counter<Labels>;
  readonly #waited: Histogram<Labels>;
  readonly #worked: Histogram<Labels>;
  readonly #queues = new Map<string, WorkQueue>();

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers });
    const histogram = (name: string, help: string) =>
      new Histogram({ name, help, labelNames, buckets: BUCKETS, registers });
    this.#added = counter("workqueue_adds_total", "Keys added.");
    this.#retries = counter("workqueue_retries_total", "Keys put back after a failure.");
    this.#waited = histogram("workqueue_queue_duration_seconds", "How long a key waited, in seconds.");
    this.#worked = histogram("workqueue_work_duration_seconds", "How long a key was worked on, in seconds.");
    this.#depth(registry);
    this.#whileActive(
      registry,
      "workqueue_unfinished_work_seconds",
      "How long the keys in work have been so, together, in seconds. It grows while something is stuck.",
      sum,
    );
    this.#whileActive(
      registry,
      "workqueue_longest_running_processor_seconds",
      "How long the key that has been in work longest has been so, in seconds.",
      (times) => Math.max(0, ...times),
    );
  }

  observe(name: string, queue: WorkQueue): void {
    this.#queues.set(name, queue);
    const of = labels(name);
    this.#added.inc(of, 0);
    this.#retries.inc(of, 0);
    queue.observe({
      added: () => this.#added.inc(of),
      taken: (ms) => this.#waited.observe(of, ms / 1000),
      finished: (ms) => this.#worked.observe(of, ms / 1000),
    });
  }

  retried(name: string): void {
    this.#retries.inc(labels(name));
  }

  #depth(registry: Registry): void {
    const queues = this.#queues;
    new Gauge({
      name: "workqueue_depth",
      help: "Keys that wait, by priority: 0 for fresh changes, -100 for the backlog of a start.",
      labelNames: [...labelNames, "priority"],
      registers: [registry],
      collect() {
        for (const [name, queue] of queues)
          for (const priority of ["high", "low"] as const)
            this.set({ ...labels(name), priority: PRIORITIES[priority] }, queue.waiting(priority));
      },
    });
  }

  #whileActive(registry: Registry, name: string, help: string, value: (times: number[]) => number): void {
    const queues = this.#queues;
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        for (const [queue, it] of queues) this.set(labels(queue), value(it.activeMs()) / 1000);
      },
    });
  }
}
