import { type ContentBlock, type Message, NO_TOKENS, type Tokens } from "../../database/runs/run.ts";
import { toolInput } from "./fit-content.ts";
import { tokensOfBytes } from "./tokens-of-bytes.ts";

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
  /** As the API says: the model that answered, and its name for the answer. */
  model?: string;
  id?: string;
}

/** More than any answer has; what grows on is no answer, and would take the process with it. */
const MOST_BLOCKS = 10_000;
const MOST_CHARACTERS = 32 * 1024 * 1024;
/** The kind of block that a delta belongs to. */
const OWNER: Record<string, string> = {
  text_delta: "text",
  citations_delta: "text",
  thinking_delta: "thinking",
  signature_delta: "thinking",
};

type Wire = Record<string, unknown> & { type: string };
const record = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
/** A count as the API means it; anything else says nothing. */
const number = (value: unknown, otherwise: number): number =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= 1e9 ? Number(value) : otherwise;
const string = (value: unknown): string => (typeof value === "string" ? value : "");

const lengthOf = ({ text, thinking, partial_json }: Record<string, unknown>): number =>
  string(text).length + string(thinking).length + string(partial_json).length;

/**
 * Puts a message together from the events of its stream. Fields that it does not know stay in the blocks as they came;
 * thinking and its signatures go back to the API unchanged.
 */
export class MessageAccumulator {
  readonly #blocks: ContentBlock[] = [];
  readonly #json = new Map<number, string>();
  #stopReason = "";
  #characters = 0;
  #tokens: Tokens = NO_TOKENS;
  #started = false;
  #stopped = false;
  #model = "";
  #id = "";

  /** @returns text to show, if the event brings any. @throws StreamInterrupted on an event that makes no sense here */
  add(event: Wire): string {
    if (this.#stopped) return "";
    if (event.type === "message_start") {
      if (this.#started) throw new StreamInterrupted("the stream has a second message_start");
      this.#started = true;
      const message = record(event.message);
      this.#model = string(message.model).slice(0, 100).toWellFormed();
      this.#id = string(message.id).slice(0, 100).toWellFormed();
      this.#count(record(message.usage));
    } else if (event.type === "content_block_start") {
      this.#open(this.#index(event), record(event.content_block));
    } else if (event.type === "content_block_delta") {
      return this.#delta(this.#index(event), record(event.delta));
    } else if (event.type === "content_block_stop") {
      this.#close(this.#index(event));
    } else if (event.type === "message_delta") {
      this.#stopReason = string(record(event.delta).stop_reason).slice(0, 100).toWellFormed() || this.#stopReason;
      this.#count(record(event.usage));
    } else if (event.type === "message_stop") {
      if (!this.#started) throw new StreamInterrupted("the stream stops before it starts");
      this.#stopped = true;
    }
    return "";
  }

  #index(event: Wire): number {
    if (!this.#started) throw new StreamInterrupted("the stream has content before message_start");
    return number(event.index, MOST_BLOCKS);
  }

  #open(index: number, block: Record<string, unknown>): void {
    if (index >= MOST_BLOCKS || this.#blocks[index] || typeof block.type !== "string")
      throw new StreamInterrupted("the stream starts a block that makes no sense");
    this.#blocks[index] = { ...(block as ContentBlock) };
    this.#weigh(string(block.text).length);
  }

  #weigh(characters: number): void {
    this.#characters += characters;
    if (this.#characters > MOST_CHARACTERS) throw new StreamInterrupted("the stream is longer than any answer");
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
    if ((OWNER[string(delta.type)] ?? block.type) !== block.type)
      throw new StreamInterrupted("the stream has a delta of another kind than its block");
    this.#weigh(lengthOf(delta));
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
    block.input = toolInput(json); // cut off at the output limit, the block is dropped: the stop reason says so
  }

  get isWhole(): boolean {
    return this.#stopped;
  }

  /**
   * What a message has cost that ends here: input as its start says, output as it says or, when that is more, as what has come of it
   * is estimated. Undefined when it has not begun: then it is not billed.
   * @param mostOutput the request's limit, in tokens
   */
  spent(mostOutput: number): Tokens | undefined {
    if (!this.#started) return undefined;
    const estimated = Math.min(mostOutput, tokensOfBytes(this.#bytes()));
    return { ...this.#tokens, output: Math.max(this.#tokens.output, estimated) };
  }

  /** Of what the model has written until now, without the names of fields. */
  #bytes(): number {
    const said = this.#blocks.flatMap(({ text, thinking, input }) => [
      string(text),
      string(thinking),
      input ? JSON.stringify(input) : "",
    ]);
    return [...said, ...this.#json.values()].reduce((sum, it) => sum + Buffer.byteLength(it), 0);
  }

  /** @throws StreamInterrupted unless the message is whole */
  finish(): ModelAnswer {
    if (!this.#stopped) throw new StreamInterrupted("the stream ended before message_stop");
    for (const index of this.#json.keys()) this.#close(index);
    return {
      content: this.#blocks.filter(Boolean),
      stopReason: this.#stopReason || "end_turn",
      tokens: this.#tokens,
      model: this.#model,
      id: this.#id,
    };
  }
}

export const textOf = (content: Message["content"]): string =>
  content
    .filter((it) => it.type === "text")
    .map((it) => string(it.text))
    .join("");
