import type { ContentBlock } from "../../database/runs/run.ts";
import { type Entry, isResult } from "./protect.ts";
import { bytesOf } from "./size.ts";

/** Outputs up to this many bytes stay: the note in their place would hardly be shorter. */
const WORTH_BYTES = 400;

const note = (bytes: number): string =>
  `[output removed: ${bytes} bytes; it was taken out to make room in the conversation. Call the tool again if it is needed.]`;

function withoutOutput(block: ContentBlock): ContentBlock {
  if (!isResult(block)) return block;
  const bytes = typeof block.content === "string" ? Buffer.byteLength(block.content) : bytesOf(block.content);
  return bytes > WORTH_BYTES ? { ...block, content: note(bytes) } : block;
}

/** The message with notes in the place of long tool outputs; undefined when it has none. */
export function withoutOutputs<T extends Pick<Entry, "content">>(entry: T): T | undefined {
  const content = entry.content.map(withoutOutput);
  return content.some((it, i) => it !== entry.content[i]) ? { ...entry, content } : undefined;
}
