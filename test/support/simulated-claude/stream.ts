import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault, SimulatedConfig } from "./config.ts";
import type { Block } from "./conversation.ts";

export interface WireReply {
  content: Block[];
  stop_reason: string;
  usage: { input_tokens: number; output_tokens: number; [more: string]: unknown };
  [more: string]: unknown;
}

const sse = (data: { type: string; [more: string]: unknown }): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;

function pieces(text: string, chunks: SimulatedConfig["chunks"]): string[] {
  if (chunks === "words") return text.match(/\S+\s*|\s+/g) ?? [""];
  const size = Math.max(1, Math.ceil(text.length / Math.max(1, chunks)));
  return Array.from({ length: Math.max(1, Math.ceil(text.length / size)) }, (_, i) =>
    text.slice(i * size, (i + 1) * size),
  );
}

function started(block: Block): Block {
  if (block.type === "text") return { ...block, text: "" };
  if (block.type === "thinking") return { ...block, thinking: "", signature: "" };
  return block.type === "tool_use" ? { ...block, input: {} } : block;
}

/** A string in the place of an input goes out as it is: what of it is JSON is for the reader to find out. */
const inputText = ({ input }: Block): string => (typeof input === "string" ? input : JSON.stringify(input));

function deltas(block: Block, chunks: SimulatedConfig["chunks"]): { type: string; [more: string]: unknown }[] {
  if (block.type === "text") return pieces(block.text ?? "", chunks).map((text) => ({ type: "text_delta", text }));
  if (block.type === "thinking") {
    const thoughts = pieces(String(block.thinking), chunks).map((thinking) => ({ type: "thinking_delta", thinking }));
    return [...thoughts, { type: "signature_delta", signature: block.signature }];
  }
  if (block.type !== "tool_use") return [];
  const json = pieces(inputText(block), chunks).map((partial_json) => ({
    type: "input_json_delta",
    partial_json,
  }));
  return [{ type: "input_json_delta", partial_json: "" }, ...json];
}

/** The events by which the real API streams this message, in its order. */
export function streamEvents(message: WireReply, chunks: SimulatedConfig["chunks"]): string[] {
  const start = { ...message, content: [], stop_reason: null, usage: { ...message.usage, output_tokens: 1 } };
  const blocks = message.content.flatMap((block, index) => [
    sse({ type: "content_block_start", index, content_block: started(block) }),
    ...(index === 0 ? [sse({ type: "ping" })] : []),
    ...deltas(block, chunks).map((delta) => sse({ type: "content_block_delta", index, delta })),
    sse({ type: "content_block_stop", index }),
  ]);
  const end = sse({
    type: "message_delta",
    delta: { stop_reason: message.stop_reason, stop_sequence: null },
    usage: { output_tokens: message.usage.output_tokens },
  });
  return [sse({ type: "message_start", message: start }), ...blocks, end, sse({ type: "message_stop" })];
}

/** Whether the stream ends here. */
async function strike(fault: Fault, res: ServerResponse): Promise<boolean> {
  switch (fault.kind) {
    case "reset":
      await sleep(5); // what was written leaves first
      res.socket?.resetAndDestroy();
      return true;
    case "truncate":
      res.end();
      return true;
    case "stall":
      return true;
    case "error_event":
      res.end(sse({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }));
      return true;
    case "malformed_sse":
      res.write('event: content_block_delta\ndata: {"type":"content_bl\n\n');
      return false;
    default:
      return false;
  }
}

/** Writes the stream, with its fault; returns when it is written or the client has gone. */
export async function sendStream(
  res: ServerResponse,
  message: WireReply,
  config: SimulatedConfig,
  headers: Record<string, string>,
  fault?: Fault,
  exact?: { type: string }[],
) {
  const events = exact?.map(sse) ?? streamEvents(message, config.chunks);
  res.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", ...headers });
  if (!fault && config.chunkDelayMs <= 0) {
    res.end(events.join("")); // one write: the cheapest there is
    return;
  }
  const at = fault ? Math.min(fault.afterEvents ?? 3, events.length - 1) : -1;
  for (const [i, event] of events.entries()) {
    if (res.destroyed) return;
    if (fault && i === at && (await strike(fault, res))) return;
    res.write(event);
    if (config.chunkDelayMs > 0) await sleep(config.chunkDelayMs);
  }
  res.end();
}
