import type { ContentBlock } from "../../database/runs/run.ts";
import type { Entry } from "./protect.ts";

const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value ?? ""));

/** Beginning and end of a text that is too long: what was asked stands first, what came out stands last. */
function cut(value: string, most: number): string {
  if (value.length <= most) return value;
  const half = Math.floor(most / 2);
  return `${value.slice(0, half)} [… ${value.length - 2 * half} characters left out …] ${value.slice(-half)}`.toWellFormed();
}

function ofBlock(block: ContentBlock, most: number): string {
  if (block.type === "text") return cut(text(block.text), most);
  if (block.type === "tool_use") return `[calls ${text(block.name)} with ${cut(text(block.input), most)}]`;
  if (block.type === "tool_result")
    return `[${block.is_error ? "the call failed" : "result"}: ${cut(text(block.content), most)}]`;
  return ""; // thinking: what came of it is said aloud
}

function ofEntry({ role, content }: Entry, most: number): string {
  const said = content.map((it) => ofBlock(it, most)).filter(Boolean);
  return said.length ? `<${role}>\n${said.join("\n")}\n</${role}>` : "";
}

const SHORTEST = 200;
/** Of the note on what was left out, with room. */
const NOTE_LENGTH = 60;

/** A conversation as a text of at most so many bytes, for a model to read about it: its longest parts are shortened first. */
export function conversationText(entries: readonly Entry[], mostBytes: number): string {
  for (let most = 20_000; ; most = Math.floor(most / 2)) {
    const whole = entries
      .map((it) => ofEntry(it, most))
      .filter(Boolean)
      .join("\n");
    if (Buffer.byteLength(whole) <= mostBytes) return whole;
    if (most <= SHORTEST) return cut(whole, Math.floor(mostBytes / 3) - NOTE_LENGTH); // three bytes at most
  }
}
