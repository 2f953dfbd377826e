import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Batches } from "./batches.ts";
import { defaultConfig, takeFault, takeSaying, type ExactSaying, type Fault, type SimulatedConfig } from "./config.ts";
import { type Block, countTokens, currentTurn, tokensOf, type WireRequest } from "./conversation.ts";
import { hasHalfCharacter, refusal } from "./refusals.ts";
import { nextSaying, withinWindow } from "./script.ts";
import { sendStream, type WireReply } from "./stream.ts";

const STATUS_FAULTS: Partial<Record<Fault["kind"], [status: number, type: string, message: string]>> = {
  rate_limit: [429, "rate_limit_error", "This request would exceed your rate limit."],
  overloaded: [529, "overloaded_error", "Overloaded"],
  server_error: [500, "api_error", "Internal server error"],
  prompt_too_long: [400, "invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum"],
  bad_request: [400, "invalid_request_error", "Injected bad request"],
};

const freshStats = () => ({
  requests: 0,
  modelCalls: 0,
  countTokens: 0,
  toolUses: 0,
  rejected: 0,
  lastRejection: null as string | null,
  faults: {} as Record<string, number>,
  inFlight: 0,
  maxInFlight: 0,
  /** Requests by the last four characters of their key: tells when a rotated key is in use. */
  keys: {} as Record<string, number>,
});

function send(res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  res.writeHead(status, {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(text)),
    ...headers,
  });
  res.end(text);
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  if (!chunks.length) return undefined;
  const text = Buffer.concat(chunks).toString("utf8");
  if (hasHalfCharacter(text)) throw new SyntaxError("no low surrogate in string");
  return JSON.parse(text);
}

const keyOf = (req: IncomingMessage): string | undefined =>
  (req.headers["x-api-key"] as string | undefined) ?? req.headers.authorization?.replace(/^Bearer /, "");

/** A deterministic stand-in of the Anthropic API: Messages (JSON and SSE), token counting, batches, models; with faults on demand. */
export class SimulatedClaude {
  readonly server: Server;
  config: SimulatedConfig;
  stats = freshStats();
  readonly requests: { path: string; body: unknown }[] = [];
  readonly batches: Batches;
  #messages = 0;
  #toolUses = 0;
  #calls = 0;

  constructor(config: Partial<SimulatedConfig> = {}) {
    this.config = { ...defaultConfig(), ...config };
    this.batches = new Batches({
      config: () => this.config,
      refusal: (params) => this.#refusalInBatch(params),
      reply: (params) => this.#reply(params),
      send,
      fail: (res, status, type, message) => this.#fail(res, status, type, message),
    });
    this.server = createServer((req, res) => {
      this.#handle(req, res).catch((error) => {
        if (res.headersSent) res.destroy();
        else this.#fail(res, 500, "api_error", String(error));
      });
    });
    this.server.keepAliveTimeout = 60_000;
  }

  /** Listens and gives the base URL; port 0 takes any. */
  async listen(port = 0, host = "127.0.0.1"): Promise<string> {
    await new Promise<void>((resolve, reject) => this.server.once("error", reject).listen(port, host, resolve));
    return `http://${host}:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Counters at zero, faults as new. */
  reset(): void {
    this.stats = { ...freshStats(), inFlight: this.stats.inFlight };
    this.requests.length = 0;
    this.batches.clear();
    this.#calls = 0;
    for (const it of [...this.config.faults, ...this.config.sayings]) delete it.hits;
  }

  #fail(
    res: ServerResponse,
    status: number,
    type: string,
    message: string,
    headers: Record<string, string> = {},
  ): void {
    send(res, status, { type: "error", error: { type, message }, request_id: headers["request-id"] ?? null }, headers);
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = (req.url ?? "/").split("?", 1)[0] as string;
    const body = await readJson(req).catch(() => "not JSON");
    if (body === "not JSON") return this.#fail(res, 400, "invalid_request_error", "The request body is not valid JSON");
    if (path.startsWith("/__")) return this.#control(req, res, path, body);
    const headers = { "request-id": `req_${String(++this.stats.requests).padStart(10, "0")}` };
    if (this.#refusesCaller(req, res, headers)) return;
    this.#remember(path, body);
    return this.#route(req, res, path, body as WireRequest, headers);
  }

  #refusesCaller(req: IncomingMessage, res: ServerResponse, headers: Record<string, string>): boolean {
    const key = keyOf(req);
    const { badKeys, goodKeys, strict } = this.config;
    if (key) this.stats.keys[key.slice(-4)] = (this.stats.keys[key.slice(-4)] ?? 0) + 1;
    const refused = !key ? strict : badKeys.includes(key) || (goodKeys.length > 0 && !goodKeys.includes(key));
    if (refused)
      this.#fail(res, 401, "authentication_error", key ? "invalid x-api-key" : "x-api-key header is required", headers);
    else if (strict && !req.headers["anthropic-version"]) {
      this.#fail(res, 400, "invalid_request_error", "anthropic-version: header is required", headers);
      return true;
    }
    return refused;
  }

  #remember(path: string, body: unknown): void {
    if (this.config.keepRequests <= 0 || body === undefined) return;
    this.requests.push({ path, body });
    if (this.requests.length > this.config.keepRequests) this.requests.shift();
  }

  async #route(
    req: IncomingMessage,
    res: ServerResponse,
    path: string,
    body: WireRequest,
    headers: Record<string, string>,
  ): Promise<void> {
    if (path === "/v1/messages" && req.method === "POST") return this.#answer(req, res, body, headers);
    if (path === "/v1/messages/count_tokens" && req.method === "POST") {
      this.stats.countTokens++;
      const why = this.config.strict ? refusal(body, false) : undefined;
      if (why) return this.#fail(res, 400, "invalid_request_error", why, headers);
      return send(res, 200, { input_tokens: countTokens(body) }, headers);
    }
    if (path.startsWith("/v1/messages/batches"))
      return this.batches.handle(req, res, new URL(req.url ?? path, "http://simulated"), body as never);
    if (path === "/v1/models")
      return send(
        res,
        200,
        {
          data: MODELS.map((it) => model(it, this.#window(it))),
          has_more: false,
          first_id: MODELS[0],
          last_id: MODELS.at(-1),
        },
        headers,
      );
    const id = decodeURIComponent(/^\/v1\/models\/([^/]+)$/.exec(path)?.[1] ?? "");
    if (id && this.#knows(id)) return send(res, 200, model(id, this.#window(id)), headers);
    return this.#fail(
      res,
      404,
      "not_found_error",
      id ? `model: ${id}` : `no such endpoint: ${req.method} ${path}`,
      headers,
    );
  }

  #window(id: string | undefined): number {
    return this.config.windows[id ?? ""] ?? DEFAULT_WINDOW;
  }

  /** A prompt that is longer than the window is refused; that it leaves no room for the whole answer is not. */
  #tooLong(body: WireRequest): string | undefined {
    const tokens = countTokens(body);
    const window = this.#window(body.model);
    return tokens > window ? `prompt is too long: ${tokens} tokens > ${window} maximum` : undefined;
  }

  #refusalInBatch(params: WireRequest): { type: string; message: string } | undefined {
    const why = this.config.strict ? (refusal(params) ?? this.#tooLong(params)) : undefined;
    if (why) return { type: "invalid_request_error", message: why };
    return this.#knows(params.model) ? undefined : { type: "not_found_error", message: `model: ${params.model}` };
  }

  #knows(id: string | undefined): boolean {
    return !this.config.strict || /^claude-[a-z]/.test(id ?? "");
  }

  async #answer(
    req: IncomingMessage,
    res: ServerResponse,
    body: WireRequest,
    headers: Record<string, string>,
  ): Promise<void> {
    const why = this.config.strict ? (refusal(body) ?? this.#tooLong(body)) : undefined;
    if (why) {
      this.stats.rejected++;
      this.stats.lastRejection = why;
      return this.#fail(res, 400, "invalid_request_error", why, headers);
    }
    if (!this.#knows(body.model)) return this.#fail(res, 404, "not_found_error", `model: ${body.model}`, headers);
    this.#count(res);
    const fault = takeFault(this.config.faults, ++this.#calls, currentTurn(body.messages ?? []).text);
    if (fault) this.stats.faults[fault.kind] = (this.stats.faults[fault.kind] ?? 0) + 1;
    if (fault?.kind === "hang") return;
    const status = fault && STATUS_FAULTS[fault.kind];
    if (fault && status) {
      const retry: Record<string, string> =
        fault.retryAfter === undefined ? {} : { "retry-after": String(fault.retryAfter) };
      return this.#fail(res, status[0], status[1], status[2], { ...headers, ...retry });
    }
    if (this.config.latencyMs > 0) await sleep(this.config.latencyMs);
    if (res.destroyed) return;
    const saying = takeSaying(this.config.sayings, currentTurn(body.messages ?? []).text);
    const message = this.#reply(body, saying);
    if (body.stream) return sendStream(res, message, this.config, headers, fault, saying?.events);
    if (fault) return void req.socket.resetAndDestroy();
    send(res, 200, message, headers);
  }

  #count(res: ServerResponse): void {
    const stats = this.stats;
    stats.modelCalls++;
    this.stats.inFlight++;
    stats.maxInFlight = Math.max(stats.maxInFlight, stats.inFlight);
    res.once("close", () => this.stats.inFlight--);
  }

  #reply(body: WireRequest, exact?: ExactSaying): WireReply {
    const { content, stopReason } = exact ? exactly(exact) : this.#saying(body);
    for (const block of content) {
      if (block.type !== "tool_use" || exact) continue;
      block.id = `toolu_${String(++this.#toolUses).padStart(10, "0")}`;
      this.stats.toolUses++;
    }
    const spoken = content.map((it) => tokensOf(it.text ?? JSON.stringify(it.thinking ?? it.input ?? null)));
    return {
      id: `msg_${String(++this.#messages).padStart(10, "0")}`,
      type: "message",
      role: "assistant",
      model: body.model,
      content,
      stop_reason: stopReason,
      stop_sequence: null,
      usage: {
        input_tokens: countTokens(body),
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        output_tokens: spoken.reduce((sum, it) => sum + it, 0),
        ...exact?.usage,
      },
    };
  }

  #saying(body: WireRequest) {
    return withinWindow(nextSaying(this.config, body), this.#window(body.model) - countTokens(body));
  }

  #control(req: IncomingMessage, res: ServerResponse, path: string, body: unknown): void {
    if (path === "/__stats") {
      const cpu = process.cpuUsage();
      return send(res, 200, {
        ...this.stats,
        batches: this.batches.count,
        pid: process.pid,
        cpuSeconds: (cpu.user + cpu.system) / 1e6,
      });
    }
    if (path === "/__requests") return send(res, 200, this.requests);
    if (path === "/__reset" && req.method === "POST") {
      this.reset();
      return send(res, 200, { ok: true });
    }
    if (path !== "/__config")
      return send(res, 404, { error: "no such control endpoint: __stats, __requests, __reset, __config" });
    if (req.method === "POST") {
      const unknown = Object.keys((body as object) ?? {}).filter((key) => !(key in this.config));
      if (unknown.length) return send(res, 400, { error: `unknown: ${unknown.join(", ")}` });
      Object.assign(this.config, body);
    }
    send(res, 200, this.config);
  }
}

const exactly = ({ content = [], stopReason = "end_turn" }: ExactSaying) => ({
  content: content as Block[],
  stopReason,
});

const MODELS = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"];
const DEFAULT_WINDOW = 200_000;
const model = (id: string, window: number) => ({
  type: "model",
  id,
  display_name: id,
  created_at: "2026-01-01T00:00:00Z",
  max_input_tokens: window,
});
