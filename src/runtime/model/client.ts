import { APIError } from "@anthropic-ai/sdk";
import type { Message, Tokens } from "../../database/runs/run.ts";
import type { Watched } from "../../process/watched.ts";
import type { Logger } from "../../telemetry/log.ts";
import { type BatchApi, batchApi } from "./batch-api.ts";
import { type ModelAnswer, MessageAccumulator, StreamInterrupted } from "./accumulate.ts";
import { NoApiKey } from "./failure.ts";
import { ServerEvents } from "./server-events.ts";
import { StreamingClient } from "./streaming-client.ts";
import { modelFetch } from "./transport.ts";

/** A tool as the Messages API takes it. */
export interface ToolDefinition {
  name: string;
  description: string;
  input_schema: Record<string, unknown>;
}

export interface ModelRequest {
  model: string;
  system: string | undefined;
  tools: ToolDefinition[];
  messages: Message[];
  maxTokens: number;
}

/** Hears of an attempt at an answer while it is made. Neither may throw. */
export interface AnswerListener {
  /** Gets the text as it comes. */
  onText(text: string): void;
  /** The answer had begun and broke off, or was broken off: what it has cost all the same. At most once, before the attempt fails. */
  onBroken(tokens: Tokens): void;
}

/** One attempt at an answer. Tests and later modes put their own in its place. */
export interface Model {
  /** @throws when there is no whole answer */
  ask(request: ModelRequest, listener: AnswerListener, signal: AbortSignal): Promise<ModelAnswer>;
  /** Whether the API knows the model and takes the key. @throws as the API answers */
  verify(model: string): Promise<void>;
  /** How many tokens the input of a request is. @throws as the API answers */
  count(request: ModelRequest, signal: AbortSignal): Promise<number>;
  /** How many tokens of input the model takes, when the API has said so. */
  window(model: string): number | undefined;
  /** Answers at half the price, later. */
  readonly batches: BatchApi;
}

export interface ClaudeOptions {
  apiKey: Watched<string>;
  baseURL: string | undefined;
  /** By which whoever answers is known, where it is a key broker. */
  certificates?: Watched<string> | undefined;
  /** A stream that is silent for so long is given up; pings count as life. Milliseconds. */
  stallMs: number;
  log: Logger;
}

/** The SDK says on its console what it could not parse, that is, what the model wrote: only warnings, and to our log. */
const sdkLogger = (log: Logger) => ({
  error: (text: string) => log.warn({ sdk: text.slice(0, 200) }, "the model API's client"),
  warn: (text: string) => log.warn({ sdk: text.slice(0, 200) }, "the model API's client"),
  info: () => {},
  debug: () => {},
});

const cached = { cache_control: { type: "ephemeral" as const } };

/** As the Messages API takes it. */
export function toParams({ model, system, tools, messages, maxTokens }: ModelRequest) {
  return {
    model,
    max_tokens: maxTokens,
    messages: messages as { role: "user" | "assistant"; content: never[] }[],
    ...(system ? { system: [{ type: "text" as const, text: system, ...cached }] } : {}),
    ...(tools.length ? { tools: tools as (ToolDefinition & { input_schema: { type: "object" } })[] } : {}),
  };
}

/** Claude by the Messages API, streamed. */
export class Claude implements Model {
  readonly batches: BatchApi;
  readonly #client: StreamingClient;
  readonly #stallMs: number;
  readonly #windows = new Map<string, number>();

  constructor({ apiKey, baseURL, certificates, stallMs, log }: ClaudeOptions) {
    this.#stallMs = stallMs;
    const options = {
      // Asked before every request: a changed key is in use at once.
      apiKey: async () => {
        if (!apiKey.value) throw new NoApiKey();
        return apiKey.value;
      },
      authToken: null,
      baseURL: baseURL ?? "https://api.anthropic.com",
      openTelemetry: false as const,
      fetch: modelFetch(certificates),
      logger: sdkLogger(log),
      logLevel: "warn" as const,
    };
    this.#client = new StreamingClient(options, () => apiKey.value);
    this.batches = batchApi(this.#client, toParams);
  }

  async verify(model: string): Promise<void> {
    try {
      const info = await this.#client.models.retrieve(model, undefined, { timeout: 15_000, maxRetries: 1 });
      if (info.max_input_tokens) this.#windows.set(model, info.max_input_tokens);
    } catch (error) {
      throw unwrapped(error);
    }
  }

  window(model: string): number | undefined {
    return this.#windows.get(model);
  }

  async count(request: ModelRequest, signal: AbortSignal): Promise<number> {
    const { max_tokens: _most, ...input } = toParams(request);
    const counted = await this.#client.messages.countTokens(input, { signal, timeout: 15_000, maxRetries: 1 });
    return counted.input_tokens;
  }

  async ask(request: ModelRequest, listener: AnswerListener, signal: AbortSignal): Promise<ModelAnswer> {
    const controller = new AbortController();
    const message = new MessageAccumulator();
    let stalled = false;
    let whole = false;
    const giveUp = () => controller.abort();
    signal.addEventListener("abort", giveUp, { once: true });
    signal.throwIfAborted();
    // Until the headers each of the SDK's attempts has the same patience; the watchdog starts with the stream.
    let watchdog: NodeJS.Timeout | undefined;
    try {
      const response = await this.#client.messages
        .create({ ...toParams(request), stream: true }, { signal: controller.signal, timeout: 2 * this.#stallMs })
        .asResponse();
      watchdog = setTimeout(() => {
        stalled = true;
        controller.abort();
      }, this.#stallMs);
      const answer = await read(response, message, watchdog, listener);
      whole = true;
      return answer;
    } catch (error) {
      const spent = message.spent(request.maxTokens);
      if (spent) listener.onBroken(spent);
      if (stalled) throw new StreamInterrupted(`the stream was silent for ${this.#stallMs / 1000} s`);
      signal.throwIfAborted();
      throw unwrapped(error);
    } finally {
      clearTimeout(watchdog);
      signal.removeEventListener("abort", giveUp);
      if (!whole) controller.abort(); // whatever was left of the body
    }
  }
}

/** Reads to the end of the body, not only to `message_stop`: then the connection can be used again. */
async function read(
  response: Response,
  message: MessageAccumulator,
  watchdog: NodeJS.Timeout,
  { onText }: AnswerListener,
): Promise<ModelAnswer> {
  if (!response.body) throw new StreamInterrupted("the answer has no body");
  const events = new ServerEvents();
  try {
    for await (const chunk of response.body) {
      watchdog.refresh();
      for (const { event, data } of events.push(chunk)) {
        if (event === "ping" || event === null || !data) continue;
        if (event === "error") throw new APIError(undefined, parse(data), undefined, response.headers);
        const text = message.add(parse(data));
        if (text) onText(text);
      }
    }
  } catch (error) {
    if (!message.isWhole) throw error;
  }
  return message.finish();
}

function parse(data: string): { type: string } {
  try {
    return JSON.parse(data);
  } catch (cause) {
    throw new StreamInterrupted("the stream has an event that is not JSON", { cause });
  }
}

/** The SDK wraps what our key function throws. */
const unwrapped = (error: unknown): unknown =>
  error instanceof Error && error.cause instanceof NoApiKey ? error.cause : error;
