import { type ContentBlock, type Message, NO_TOKENS, type Tokens } from "../../database/runs/run.ts";
import { uuidv7 } from "../uuid.ts";

/** The stream broke the protocol or ended before `message_stop`: a fault to try again after, never an answer. */
export class StreamInterrupted extends Error {
  override name = "StreamInterrupted";
}

export interface ModelAnswer {
  content: ContentBlock[];
  stopReason: string;
  tokens: Tokens;
  /** It came in a message batch: half the price. */
  batched?: boolean;
}

type Wire = Record<string, unknown> & { type: string };
const record = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
const number = (value: unknown, otherwise: number): number => (typeof value === "number" ? value : otherwise);
const string = (value: unknown): string => (typeof value === "string" ? value : "");

/**
 * Puts a message together from the events of its stream. Fields that it does not know stay in the blocks as they came;
 * thinking and its signatures go back to the API unchanged.
 */
export class MessageAccumulator {
  readonly #blocks: ContentBlock[] = [];
  readonly #json = new Map<number, string>();
  #stopReason = "";
  #tokens: Tokens = NO_TOKENS;
  #started = false;
  #stopped = false;

  /** @returns text to show, if the event brings any. @throws StreamInterrupted on an event that makes no sense here */
  add(event: Wire): string {
    if (event.type === "message_start") {
      this.#started = true;
      this.#count(record(record(event.message).usage));
    } else if (event.type === "content_block_start") {
      this.#blocks[this.#index(event)] = { ...(record(event.content_block) as ContentBlock) };
    } else if (event.type === "content_block_delta") {
      return this.#delta(this.#index(event), record(event.delta));
    } else if (event.type === "content_block_stop") {
      this.#close(this.#index(event));
    } else if (event.type === "message_delta") {
      this.#stopReason = string(record(event.delta).stop_reason) || this.#stopReason;
      this.#count(record(event.usage));
    } else if (event.type === "message_stop") {
      this.#stopped = true;
    }
    return "";
  }

  #index(event: Wire): number {
    if (!this.#started) throw new StreamInterrupted("the stream has content before message_start");
    return number(event.index, 0);
  }

  #count(usage: Record<string, unknown>): void {
    const now = this.#tokens;
    this.#tokens = {
      input: number(usage.input_tokens, now.input),
      output: number(usage.output_tokens, now.output),
      cacheRead: number(usage.cache_read_input_tokens, now.cacheRead),
      cacheWrite: number(usage.cache_creation_input_tokens, now.cacheWrite),
    };
  }

  #delta(index: number, delta: Record<string, unknown>): string {
    const block = this.#blocks[index];
    if (!block) throw new StreamInterrupted("the stream has a delta of a block that was not started");
    if (delta.type === "text_delta") block.text = string(block.text) + string(delta.text);
    else if (delta.type === "thinking_delta") block.thinking = string(block.thinking) + string(delta.thinking);
    else if (delta.type === "signature_delta") block.signature = string(block.signature) + string(delta.signature);
    else if (delta.type === "citations_delta")
      block.citations = [...((block.citations as unknown[] | null) ?? []), delta.citation];
    else if (delta.type === "input_json_delta")
      this.#json.set(index, (this.#json.get(index) ?? "") + string(delta.partial_json));
    return delta.type === "text_delta" ? string(delta.text) : "";
  }

  #close(index: number): void {
    const json = this.#json.get(index);
    const block = this.#blocks[index];
    this.#json.delete(index);
    if (!json || !block) return;
    try {
      block.input = JSON.parse(json);
    } catch {
      block.input = {}; // cut off at the output limit: the stop reason says so, and the block is dropped for it
    }
  }

  get isWhole(): boolean {
    return this.#stopped;
  }

  /** @throws StreamInterrupted unless the message is whole */
  finish(): ModelAnswer {
    if (!this.#stopped) throw new StreamInterrupted("the stream ended before message_stop");
    return { content: this.#blocks.filter(Boolean), stopReason: this.#stopReason || "end_turn", tokens: this.#tokens };
  }
}

/** What of an answer goes into the conversation: no empty texts, and no tool call that was cut off (its pair would never come). */
export function storableContent(answer: ModelAnswer): ContentBlock[] {
  const whole = answer.stopReason === "tool_use";
  return answer.content.filter((it) => !(it.type === "text" && !it.text) && (whole || it.type !== "tool_use"));
}

/** The content with a new id for each tool call whose id was there before: what is written of one call must never be taken for another's. */
export function withOwnIds(content: ContentBlock[], conversation: Message[]): ContentBlock[] {
  if (!content.some((it) => it.type === "tool_use")) return content;
  const taken = new Set(
    conversation.flatMap((it) => it.content).flatMap((it) => (it.type === "tool_use" ? [it.id] : [])),
  );
  return content.map((it) => {
    if (it.type !== "tool_use") return it;
    const id = taken.has(it.id) || !it.id ? `toolu_${uuidv7().replaceAll("-", "")}` : it.id;
    taken.add(id);
    return id === it.id ? it : { ...it, id };
  });
}

export const textOf = (content: Message["content"]): string =>
  content
    .filter((it) => it.type === "text")
    .map((it) => string(it.text))
    .join("");
