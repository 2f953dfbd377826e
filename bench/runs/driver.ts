// The callers of an agent, as a program of its own: started by fork, it takes one Job by IPC and tells how it went.
import { setTimeout as sleep } from "node:timers/promises";
import { PlainClient } from "./http-client.ts";

export interface Job {
  /** The agent's processes; clients are spread over them. */
  urls: string[];
  /** One bearer token a user; clients take them in turn. */
  tokens: string[];
  clients: number;
  message: string;
  turnsPerSession: number;
  warmUpSeconds: number;
  seconds: number;
  /** Milliseconds from one question of a client to its next; left out: as soon as it is answered. */
  everyMs?: number;
}

/** What the driver says: that the warm-up is over, what it counted, and that its last run has ended; or, instead, what went wrong. */
export type Told =
  | { is: "measuring" }
  | { is: "measured"; runs: number; seconds: number; latenciesMs: number[] }
  | { is: "done" }
  | { is: "failed"; why: string };

const tell = (told: Told) => process.send?.(told);

async function client(job: Job, number: number, seen: (ms: number) => void, ended: () => boolean): Promise<void> {
  const token = job.tokens[number % job.tokens.length];
  const http = new PlainClient(job.urls[number % job.urls.length] as string, [`authorization: Bearer ${token}`]);
  const body = JSON.stringify({ message: job.message });
  try {
    if (job.everyMs) await sleep((job.everyMs * number) / job.clients); // not all at once
    while (!ended()) {
      const made = await http.request("POST", "/v1/sessions", "{}");
      const { id } = JSON.parse(made.body.slice(made.body.indexOf("{"), made.body.lastIndexOf("}") + 1)) as {
        id: string;
      };
      for (let turn = 0; turn < job.turnsPerSession && !ended(); turn++) {
        const asked = performance.now();
        const answer = await http.request("POST", `/v1/sessions/${id}/runs`, body, "accept: text/event-stream\r\n");
        if (!answer.body.includes("event: run.completed")) throw new Error(`HTTP ${answer.status}: ${answer.body}`);
        seen(performance.now() - asked);
        if (job.everyMs) await sleep(Math.max(0, asked + job.everyMs - performance.now()));
      }
    }
  } finally {
    http.close();
  }
}

async function drive(job: Job): Promise<void> {
  let latenciesMs: number[] = [];
  let over = false;
  const clients = Array.from({ length: job.clients }, (_, n) =>
    client(
      job,
      n,
      (ms) => latenciesMs.push(ms),
      () => over,
    ).catch((error) => {
      tell({ is: "failed", why: String(error) });
    }),
  );
  await sleep(job.warmUpSeconds * 1000);
  latenciesMs = [];
  const started = performance.now();
  tell({ is: "measuring" });
  await sleep(job.seconds * 1000);
  tell({ is: "measured", runs: latenciesMs.length, seconds: (performance.now() - started) / 1000, latenciesMs });
  over = true;
  await Promise.all(clients);
  tell({ is: "done" });
}

process.once("message", (job) => void drive(job as Job).then(() => process.disconnect()));
