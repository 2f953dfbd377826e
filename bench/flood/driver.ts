// The callers of the flood, as a program of its own: all runs of all tenants at once, one session and one connection each.
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, PlainClient } from "../runs/http-client.ts";

export interface FloodJob {
  tenants: { url: string; token: string }[];
  runsPerTenant: number;
  message: string;
  /** For one run, refusals and waiting among them. */
  patienceSeconds: number;
}

/** What came of it: for each tenant, how long each of its finished runs took from the first try on, in milliseconds. */
export interface FloodResult {
  finishedMs: number[][];
  /** Answers of 429 and 503, after which a caller tried again. */
  refusals: number;
  /** Streams that ended before their run did, and were asked for again. */
  resumed: number;
  firstFailure: string | undefined;
}

export type FloodTold = { is: "progress"; finished: number } | { is: "done"; result: FloodResult };

class Caller {
  refusals = 0;
  resumed = 0;
  readonly #job: FloodJob;
  constructor(job: FloodJob) {
    this.#job = job;
  }

  /** Asks until it is answered otherwise than with "later". @throws Error when it takes too long */
  async #patiently(until: number, ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      const answer = await ask();
      if (answer.status !== 429 && answer.status !== 503) return answer;
      this.refusals++;
      if (performance.now() > until) throw new Error(`refused to the end: ${answer.body}`);
      await sleep((answer.retryAfter ?? 1) * 1000 * (0.8 + Math.random() * 0.4));
    }
  }

  /** Listens until the run is over: a stream that ends before it is asked for again. @throws Error unless the run is completed */
  async #toTheEnd(http: PlainClient, first: Answer, until: number): Promise<void> {
    const run = /"runId":"([^"]+)"/.exec(first.body)?.[1];
    for (let answer = first; !answer.body.includes("event: run.completed"); ) {
      const over = !run || answer.status >= 400 || /event: run\.(failed|cancelled)/.test(answer.body);
      if (over || performance.now() > until) throw new Error(`HTTP ${answer.status}: ${answer.body.slice(-1000)}`);
      this.resumed++;
      await sleep(1000);
      answer = await this.#patiently(until, () => http.request("GET", `/v1/runs/${run}/events`, ""));
    }
  }

  /** @returns how long it took, in milliseconds */
  async run(tenant: FloodJob["tenants"][0]): Promise<number> {
    const { message, patienceSeconds } = this.#job;
    const http = new PlainClient(tenant.url, [`authorization: Bearer ${tenant.token}`]);
    const asked = performance.now();
    const until = asked + patienceSeconds * 1000;
    const late = setTimeout(() => http.close(), patienceSeconds * 1000);
    try {
      const made = await this.#patiently(until, () => http.request("POST", "/v1/sessions", "{}"));
      const id = /"id":"([^"]+)"/.exec(made.body)?.[1];
      const answer = await this.#patiently(until, () =>
        http.request("POST", `/v1/sessions/${id}/runs`, JSON.stringify({ message }), "accept: text/event-stream\r\n"),
      );
      await this.#toTheEnd(http, answer, until);
      return performance.now() - asked;
    } finally {
      clearTimeout(late);
      http.close();
    }
  }
}

async function flood(job: FloodJob): Promise<void> {
  const caller = new Caller(job);
  const finishedMs: number[][] = job.tenants.map(() => []);
  let firstFailure: string | undefined;
  const tell = (told: FloodTold) => process.send?.(told);
  const timer = setInterval(() => tell({ is: "progress", finished: finishedMs.flat().length }), 500);
  const all = job.tenants.flatMap((tenant, n) =>
    Array.from({ length: job.runsPerTenant }, () =>
      caller.run(tenant).then(
        (ms) => finishedMs[n]?.push(ms),
        (error) => (firstFailure ??= String(error)),
      ),
    ),
  );
  await Promise.all(all);
  clearInterval(timer);
  tell({ is: "done", result: { finishedMs, refusals: caller.refusals, resumed: caller.resumed, firstFailure } });
}

process.once("message", (job) => void flood(job as FloodJob).then(() => process.disconnect()));
