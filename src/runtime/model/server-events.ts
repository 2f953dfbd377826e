import { StringDecoder } from "node:string_decoder";
import { StreamInterrupted } from "./accumulate.ts";

/** One event of a `text/event-stream`; the fields `id` and `retry` are not looked at. */
export interface ServerEvent {
  event: string | null;
  data: string;
}

/** More than any event has; what grows on is no event, and would take the process with it. */
const MOST_CHARACTERS = 32 * 1024 * 1024;

/**
 * Puts events together from the chunks of their stream (WHATWG HTML, 9.2.6): what is whole comes at once. An iterator that has every
 * event waited for, as the SDK's, costs more processor time than what the event says. An event that the stream cuts off is none.
 */
export class ServerEvents {
  readonly #decoder = new StringDecoder("utf8");
  /** The line under way. */
  #begun = "";
  #first = true;
  /** The last chunk ended with a carriage return: a newline after it belongs to it. */
  #afterReturn = false;
  #event: string | null = null;
  #data: string[] = [];

  /** @throws StreamInterrupted when an event is longer than any is */
  push(chunk: Uint8Array): ServerEvent[] {
    const text = this.#text(chunk);
    if (this.#begun.length + text.length > MOST_CHARACTERS)
      throw new StreamInterrupted("the stream has an event that is longer than any answer");
    if (!text.includes("\n")) {
      this.#begun += text;
      return [];
    }
    const lines = (this.#begun + text).split("\n");
    this.#begun = lines.pop() ?? "";
    const events: ServerEvent[] = [];
    for (const line of lines) this.#line(line, events);
    return events;
  }

  /** With every end of a line as a newline. */
  #text(chunk: Uint8Array): string {
    let text = this.#decoder.write(chunk);
    if (!text) return text;
    if (this.#first && text.startsWith("\uFEFF")) text = text.slice(1);
    if (this.#afterReturn && text.startsWith("\n")) text = text.slice(1);
    this.#first = false;
    this.#afterReturn = text.endsWith("\r");
    return text.includes("\r") ? text.replaceAll(/\r\n?/g, "\n") : text;
  }

  #line(line: string, events: ServerEvent[]): void {
    if (!line) {
      if (this.#event !== null || this.#data.length) events.push({ event: this.#event, data: this.#data.join("\n") });
      this.#event = null;
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "event") this.#event = value;
    else if (name === "data") this.#data.push(value);
  }
}
