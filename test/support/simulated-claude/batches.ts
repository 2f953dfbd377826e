import type { ServerResponse } from "node:http";
import type { WireRequest } from "./conversation.ts";
import type { WireReply } from "./stream.ts";

interface Entry {
  custom_id: string;
  params: WireRequest;
}
interface Batch {
  id: string;
  createdAt: number;
  endsAt: number;
  cancelled: boolean;
  entries: Entry[];
  results?: string;
}

export interface BatchHost {
  batchMs(): number;
  refusal(params: WireRequest): string | undefined;
  reply(params: WireRequest): WireReply;
  send(res: ServerResponse, status: number, body: unknown, headers?: Record<string, string>): void;
  fail(res: ServerResponse, status: number, type: string, message: string): void;
}

/** The Message Batches API: create, list, get, results, cancel. */
export class Batches {
  readonly #host: BatchHost;
  readonly #all = new Map<string, Batch>();

  constructor(host: BatchHost) {
    this.#host = host;
  }

  get count(): number {
    return this.#all.size;
  }

  handle(res: ServerResponse, method: string, path: string, body: { requests?: Entry[] } | undefined): void {
    const [, id, action] = path.slice("/v1/messages/batches".length).split("/");
    if (!id && method === "POST") return this.#create(res, body?.requests);
    if (!id)
      return this.#host.send(res, 200, {
        data: [...this.#all.values()].toReversed().map(describe),
        has_more: false,
        first_id: null,
        last_id: null,
      });
    const batch = this.#all.get(id);
    if (!batch) return this.#host.fail(res, 404, "not_found_error", `batch ${id} not found`);
    if (action === "cancel" && method === "POST") batch.cancelled = true;
    if (action !== "results") return this.#host.send(res, 200, describe(batch));
    if (!ended(batch)) return this.#host.fail(res, 400, "invalid_request_error", "the batch is still in progress");
    batch.results ??= batch.entries.map((it) => `${JSON.stringify(this.#result(batch, it))}\n`).join("");
    this.#host.send(res, 200, batch.results, { "content-type": "application/x-jsonl" });
  }

  #create(res: ServerResponse, entries: Entry[] | undefined): void {
    if (!entries?.length)
      return this.#host.fail(res, 400, "invalid_request_error", "requests: at least one request is required");
    if (new Set(entries.map((it) => it.custom_id)).size !== entries.length) {
      return this.#host.fail(res, 400, "invalid_request_error", "requests: custom_id must be unique");
    }
    const now = Date.now();
    const id = `msgbatch_${String(this.#all.size + 1).padStart(10, "0")}`;
    const batch: Batch = { id, createdAt: now, endsAt: now + this.#host.batchMs(), cancelled: false, entries };
    this.#all.set(id, batch);
    this.#host.send(res, 200, describe(batch));
  }

  #result(batch: Batch, { custom_id, params }: Entry) {
    if (batch.cancelled) return { custom_id, result: { type: "canceled" } };
    const message = this.#host.refusal(params);
    if (message)
      return {
        custom_id,
        result: { type: "errored", error: { type: "error", error: { type: "invalid_request_error", message } } },
      };
    return { custom_id, result: { type: "succeeded", message: this.#host.reply(params) } };
  }
}

const ended = (batch: Batch): boolean => batch.cancelled || Date.now() >= batch.endsAt;

function describe(batch: Batch) {
  const over = ended(batch);
  const counts = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  return {
    id: batch.id,
    type: "message_batch",
    processing_status: over ? "ended" : batch.cancelled ? "canceling" : "in_progress",
    request_counts: {
      ...counts,
      [over ? (batch.cancelled ? "canceled" : "succeeded") : "processing"]: batch.entries.length,
    },
    created_at: new Date(batch.createdAt).toISOString(),
    expires_at: new Date(batch.createdAt + 86_400_000).toISOString(),
    ended_at: over ? new Date(batch.endsAt).toISOString() : null,
    results_url: over ? `/v1/messages/batches/${batch.id}/results` : null,
  };
}
