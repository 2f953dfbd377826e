import type { IncomingMessage, ServerResponse } from "node:http";
import type { BatchCall, BatchFault, BatchOutcome, SimulatedConfig } from "./config.ts";
import { currentTurn, type WireRequest } from "./conversation.ts";
import type { WireReply } from "./stream.ts";

interface Entry {
  custom_id: string;
  params: WireRequest;
}
type Result = { type: "succeeded"; message: WireReply } | { type: "canceled" | "expired" } | Errored;
type Errored = { type: "errored"; error: { type: "error"; error: { type: string; message: string } } };

export interface Batch {
  id: string;
  createdAt: number;
  endsAt: number;
  cancelledAt: number | undefined;
  entries: Entry[];
  results?: Map<string, Result>;
}

export interface BatchHost {
  config(): SimulatedConfig;
  /** Why the Messages API would refuse the request. */
  refusal(params: WireRequest): { type: string; message: string } | undefined;
  reply(params: WireRequest): WireReply;
  send(res: ServerResponse, status: number, body: unknown, headers?: Record<string, string>): void;
  fail(res: ServerResponse, status: number, type: string, message: string): void;
}

const FAILURES: Record<string, [number, string]> = {
  rate_limit: [429, "rate_limit_error"],
  overloaded: [529, "overloaded_error"],
  server_error: [500, "api_error"],
  unauthorized: [401, "authentication_error"],
};
const PREFIX = "/v1/messages/batches";

/** The Message Batches API: create, list by pages, get, results in no order, cancel; each request of a batch takes its share of the time. */
export class Batches {
  readonly #host: BatchHost;
  readonly #all = new Map<string, Batch>();
  #created = 0;
  /** Called before a call has its effect and after it, before it is answered: where a test ends whoever has called. */
  onCall: (call: BatchCall, moment: "before" | "after") => unknown = () => {};

  constructor(host: BatchHost) {
    this.#host = host;
  }

  get all(): Batch[] {
    return [...this.#all.values()];
  }
  get count(): number {
    return this.#all.size;
  }
  clear(): void {
    this.#all.clear();
    this.onCall = () => {};
  }

  /** @param url path and query */
  async handle(
    req: IncomingMessage,
    res: ServerResponse,
    url: URL,
    body: { requests?: Entry[] } | undefined,
  ): Promise<void> {
    const [, id, action] = url.pathname.slice(PREFIX.length).split("/");
    const call = callOf(req.method ?? "GET", id, action);
    const fault = this.#takeFault(call);
    const failure = fault && FAILURES[fault.kind];
    if (failure) return this.#host.fail(res, failure[0], failure[1], "Injected");
    await this.onCall(call, "before");
    if (fault?.kind === "reset") return void req.socket.resetAndDestroy();
    if (call !== "create") return this.#answer(res, call, url, id, fault);
    const made = this.#create(res, body?.requests);
    await this.onCall(call, "after");
    if (fault?.kind === "reset_after") return void req.socket.resetAndDestroy();
    if (made) this.#host.send(res, 200, describe(made));
  }

  #takeFault(call: BatchCall): BatchFault | undefined {
    const fault = this.#host.config().batchFaults.find((it) => it.on === call && (it.hits ?? 0) < (it.times ?? 1));
    if (fault) fault.hits = (fault.hits ?? 0) + 1;
    return fault;
  }

  #answer(res: ServerResponse, call: BatchCall, url: URL, id: string | undefined, fault?: BatchFault): void {
    const { send, fail } = this.#host;
    if (call === "list") return send(res, 200, this.#page(url.searchParams));
    const batch = this.#all.get(id ?? "");
    if (!batch) return fail(res, 404, "not_found_error", `batch ${id} not found`);
    this.#settle(batch);
    if (call === "cancel" && !batch.results) {
      batch.cancelledAt ??= Date.now();
      batch.endsAt = Math.min(batch.endsAt, Date.now() + 20);
    }
    if (call !== "results") return send(res, 200, describe(batch));
    if (!batch.results) return fail(res, 400, "invalid_request_error", "the batch is still in progress");
    const lines = [...batch.results]
      .toReversed()
      .map(([custom_id, result]) => `${JSON.stringify({ custom_id, result })}\n`);
    const type = { "content-type": "application/x-jsonl" };
    if (fault?.kind !== "truncate") return send(res, 200, lines.join(""), type);
    res.writeHead(200, { ...type, "content-length": String(Buffer.byteLength(lines.join(""))) });
    res.write(lines.join("").slice(0, 40), () => res.destroy());
  }

  #page(query: URLSearchParams) {
    const all = this.all.toReversed();
    const after = query.get("after_id");
    const before = query.get("before_id");
    const from = after ? all.findIndex((it) => it.id === after) + 1 : 0;
    const to = before ? all.findIndex((it) => it.id === before) : all.length;
    const limit = Math.min(Number(query.get("limit") ?? 20), this.#host.config().batchPage);
    const page = all.slice(from, Math.min(to, from + limit));
    for (const it of page) this.#settle(it);
    const ends = { first_id: page[0]?.id ?? null, last_id: page.at(-1)?.id ?? null };
    return { data: page.map(describe), has_more: from + page.length < to, ...ends };
  }

  #create(res: ServerResponse, entries: Entry[] | undefined): Batch | undefined {
    const refuse = (message: string): undefined => {
      this.#host.fail(res, 400, "invalid_request_error", message);
    };
    if (!entries?.length) return refuse("requests: at least one request is required");
    if (new Set(entries.map((it) => it.custom_id)).size !== entries.length)
      return refuse("requests: custom_id must be unique");
    if (!entries.every((it) => /^[a-zA-Z0-9_-]{1,64}$/.test(it.custom_id)))
      return refuse("requests: custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'");
    if (entries.some((it) => it.params.stream)) return refuse("requests: stream is not supported in batches");
    const now = Date.now();
    const id = `msgbatch_${String(++this.#created).padStart(10, "0")}`;
    const batch = { id, createdAt: now, endsAt: now + this.#host.config().batchMs, cancelledAt: undefined, entries };
    this.#all.set(id, batch);
    return batch;
  }

  /** Once it is over, it is known what became of each request. */
  #settle(batch: Batch): void {
    if (batch.results || Date.now() < batch.endsAt) return;
    const each = this.#host.config().batchMs / batch.entries.length;
    batch.results = new Map();
    for (const [i, entry] of batch.entries.entries()) {
      const cancelled = batch.cancelledAt !== undefined && batch.createdAt + each * (i + 1) > batch.cancelledAt;
      const result: Result | undefined = cancelled ? { type: "canceled" } : this.#result(entry);
      if (result) batch.results.set(entry.custom_id, result);
    }
  }

  #result({ params }: Entry): Result | undefined {
    const refused = this.#host.refusal(params);
    if (refused) return { type: "errored", error: { type: "error", error: refused } };
    const outcome = this.#takeOutcome(currentTurn(params.messages ?? []).text);
    if (!outcome) return { type: "succeeded", message: this.#host.reply(params) };
    if (outcome.type === "missing") return undefined;
    if (outcome.type !== "errored") return { type: outcome.type };
    return {
      type: "errored",
      error: { type: "error", error: { type: outcome.error ?? "api_error", message: outcome.message ?? "Injected" } },
    };
  }

  #takeOutcome(text: string): BatchOutcome | undefined {
    const found = this.#host
      .config()
      .batchOutcomes.find((it) => text.includes(it.match) && (it.hits ?? 0) < (it.times ?? 1));
    if (found) found.hits = (found.hits ?? 0) + 1;
    return found;
  }
}

function callOf(method: string, id: string | undefined, action: string | undefined): BatchCall {
  if (!id) return method === "POST" ? "create" : "list";
  if (action === "results") return "results";
  return action === "cancel" && method === "POST" ? "cancel" : "retrieve";
}

function describe(batch: Batch) {
  const counts = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  for (const { type } of batch.results?.values() ?? []) counts[type]++;
  counts.processing = batch.results ? 0 : batch.entries.length;
  const over = batch.results !== undefined;
  return {
    id: batch.id,
    type: "message_batch",
    processing_status: over ? "ended" : batch.cancelledAt ? "canceling" : "in_progress",
    request_counts: counts,
    created_at: new Date(batch.createdAt).toISOString(),
    expires_at: new Date(batch.createdAt + 86_400_000).toISOString(),
    archived_at: null,
    cancel_initiated_at: batch.cancelledAt ? new Date(batch.cancelledAt).toISOString() : null,
    ended_at: over ? new Date(batch.endsAt).toISOString() : null,
    results_url: over ? `${PREFIX}/${batch.id}/results` : null,
  };
}
