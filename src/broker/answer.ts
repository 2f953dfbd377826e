import type { ServerResponse } from "node:http";
import type { Tokens } from "../database/runs/run.ts";
import type { Answer } from "./endpoint.ts";
import { toAgent } from "./headers.ts";
import { StreamUsage, tokensOfUsage } from "./meter.ts";
import { Refused } from "./refusal.ts";
import type { CallKind } from "./routes.ts";

/** More than any answer has that is read at once. */
const MOST_BYTES = 32 * 1024 * 1024;

/** How an answer is handed on, and what is learned from it. */
export interface Handing {
  kind: CallKind;
  /** The key that the endpoint was sent: an endpoint that repeats it in an error does not tell the agent. */
  key: string;
  /** What an answer has cost; also of one that was broken off. */
  onTokens(tokens: Tokens): void;
}

const isStream = ({ headers }: Answer): boolean =>
  String(headers["content-type"] ?? "").startsWith("text/event-stream");

async function textOf({ body }: Answer): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Refused("unreachable", "the answer of the model endpoint is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The results of a batch are fetched where the endpoint says: through the broker, for its own address leads past it. */
function withOwnResults(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const it = value as Record<string, unknown>;
  if (Array.isArray(it["data"])) return { ...it, data: it["data"].map(withOwnResults) };
  if (typeof it["results_url"] !== "string") return it;
  return { ...it, results_url: `/v1/messages/batches/${String(it["id"])}/results` };
}

function handedOn(text: string, status: number, { kind, key, onTokens }: Handing): string {
  if (status >= 300) return text.replaceAll(key, "[redacted key]");
  if (kind !== "message" && kind !== "batch" && kind !== "batch-info") return text;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return text;
  }
  if (kind === "message") onTokens(tokensOfUsage((json as { usage?: unknown } | null)?.usage));
  return kind === "message" ? text : JSON.stringify(withOwnResults(json));
}

/** Settles when more can be written, or nobody reads any more: that aborts the call. */
function drained(res: ServerResponse): Promise<void> {
  if (res.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      res.off("drain", done).off("close", done);
      resolve();
    };
    res.once("drain", done).once("close", done);
  });
}

async function passChunks(answer: Answer, res: ServerResponse, look: (chunk: Buffer) => void): Promise<void> {
  res.writeHead(answer.statusCode, toAgent(answer.headers));
  res.flushHeaders();
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    look(chunk);
    if (!res.write(chunk)) await drained(res);
  }
  res.end();
}

/**
 * Hands the endpoint's answer on: a stream as it comes, chunk by chunk; anything else whole.
 * @throws when the answer breaks off, or cannot be handed on
 */
export async function handOn(answer: Answer, res: ServerResponse, handing: Handing): Promise<void> {
  const { statusCode: status, headers } = answer;
  if (status >= 300 && status < 400) {
    await answer.body.dump();
    throw new Refused("unreachable", `the model endpoint answers with a redirect (HTTP ${status}): check its address`);
  }
  if (status < 300 && handing.kind === "batch-results") return passChunks(answer, res, () => {});
  if (status >= 300 || !isStream(answer)) {
    const text = handedOn(await textOf(answer), status, handing);
    res.writeHead(status, toAgent(headers)).end(text);
    return;
  }
  const usage = new StreamUsage();
  try {
    await passChunks(answer, res, (chunk) => usage.push(chunk));
  } finally {
    handing.onTokens(usage.tokens);
  }
}
