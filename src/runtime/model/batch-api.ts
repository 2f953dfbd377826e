import { APIError, type Anthropic } from "@anthropic-ai/sdk";
import type { ModelRequest } from "./client.ts";
import type { ModelAnswer } from "./accumulate.ts";

export interface BatchRequest {
  id: string;
  request: ModelRequest;
}

export interface BatchInfo {
  id: string;
  ended: boolean;
  /** Milliseconds since the epoch. */
  createdAt: number;
  requests: number;
}

export type BatchResult =
  | { kind: "succeeded"; answer: ModelAnswer }
  /** As the Messages API would have answered. */
  | { kind: "errored"; error: APIError }
  | { kind: "canceled" | "expired" };

/** The Message Batches API. All of it throws as the API answers. */
export interface BatchApi {
  /** Sent once: whoever gets no answer does not know whether the batch is there. */
  create(requests: BatchRequest[], timeoutMs: number): Promise<BatchInfo>;
  retrieve(id: string): Promise<BatchInfo>;
  /** The youngest first, back to this moment. */
  createdSince(since: number): Promise<BatchInfo[]>;
  cancel(id: string): Promise<void>;
  /** With their custom ids, in any order, as they are read: all of them may be more than the memory holds. */
  results(id: string): AsyncIterable<[customId: string, result: BatchResult]>;
}

type Batch = Awaited<ReturnType<Anthropic["messages"]["batches"]["retrieve"]>>;
type Line =
  Awaited<ReturnType<Anthropic["messages"]["batches"]["results"]>> extends AsyncIterable<infer It> ? It : never;
type Created = Parameters<Anthropic["messages"]["batches"]["create"]>[0]["requests"][number]["params"];

const PATIENCE = { timeout: 30_000, maxRetries: 1 };

function infoOf({ id, processing_status, created_at, request_counts: counts }: Batch): BatchInfo {
  const requests = Object.values(counts).reduce((sum: number, it: number) => sum + it, 0);
  return { id, ended: processing_status === "ended", createdAt: Date.parse(created_at), requests };
}

const STATUS: Record<string, number> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  overloaded_error: 529,
};
/** The error as the Messages API would have given it. */
export const apiErrorOf = (type: string, message: string, status = STATUS[type] ?? 500): APIError =>
  APIError.generate(status, { type: "error", error: { type, message } }, message, new Headers());

function resultOf({ result }: Line): BatchResult {
  if (result.type === "errored")
    return { kind: "errored", error: apiErrorOf(result.error.error.type, result.error.error.message) };
  if (result.type !== "succeeded") return { kind: result.type };
  const { content, stop_reason, usage } = result.message;
  const tokens = {
    input: usage.input_tokens,
    output: usage.output_tokens,
    cacheRead: usage.cache_read_input_tokens ?? 0,
    cacheWrite: usage.cache_creation_input_tokens ?? 0,
  };
  const answer = {
    content: content as unknown as ModelAnswer["content"],
    stopReason: stop_reason ?? "end_turn",
    tokens,
  };
  return { kind: "succeeded", answer: { ...answer, batched: true } };
}

/** @param params a request as the Messages API takes it */
export function batchApi(client: Anthropic, params: (request: ModelRequest) => Created): BatchApi {
  const { batches } = client.messages;
  return {
    async create(requests, timeout) {
      const body = requests.map(({ id, request }) => ({ custom_id: id, params: params(request) }));
      return infoOf(await batches.create({ requests: body }, { timeout, maxRetries: 0 }));
    },
    retrieve: async (id) => infoOf(await batches.retrieve(id, undefined, PATIENCE)),
    async createdSince(since) {
      const found: BatchInfo[] = [];
      for await (const batch of batches.list({ limit: 100 }, PATIENCE)) {
        const info = infoOf(batch);
        if (info.createdAt < since) break;
        found.push(info);
      }
      return found;
    },
    async cancel(id) {
      await batches.cancel(id, undefined, PATIENCE);
    },
    async *results(id) {
      for await (const line of await batches.results(id, undefined, PATIENCE)) yield [line.custom_id, resultOf(line)];
    },
  };
}
