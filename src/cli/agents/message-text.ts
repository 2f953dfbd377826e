import type { Message } from "../../runtime/client.ts";

/** As much of a tool's input or result as fits a line, in characters. */
const LINE = 200;

const short = (text: string): string => (text.length > LINE ? `${text.slice(0, LINE - 1)}…` : text);

/** What a terminal would obey (control characters but tab and newline) is shown instead: an agent's words must not move a cursor. */
export const harmless = (text: string): string =>
  text.replaceAll(/\p{Cc}/gu, (it) =>
    it === "\n" || it === "\t" ? it : `\\x${it.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );

function blockText(block: Message["content"][number]): string {
  switch (block.type) {
    case "text":
      return String(block["text"]);
    case "tool_use":
      return short(`[calls ${String(block["name"])} ${JSON.stringify(block["input"])}]`);
    case "tool_result":
      return short(`[${block["is_error"] ? "error" : "result"}: ${resultText(block["content"])}]`);
    default:
      return `[${block.type}]`;
  }
}

const resultText = (content: unknown): string =>
  Array.isArray(content)
    ? content.map((it: { text?: unknown }) => (typeof it.text === "string" ? it.text : JSON.stringify(it))).join(" ")
    : typeof content === "string"
      ? content
      : JSON.stringify(content ?? "");

/** A message as people read it: words as they are, tool calls and their results in brackets, one line each. */
export const messageText = (message: Pick<Message, "content">): string =>
  message.content.map((it) => harmless(blockText(it))).join("\n    ");
