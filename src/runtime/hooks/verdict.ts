import type { ContentBlock } from "../../database/runs/run.ts";
import { storableText } from "../../database/runs/storable.ts";
import { capped, type ToolOutcome } from "../tools/tool.ts";
import type { Annotations, Verdict } from "./hook.ts";

const MAX_ANNOTATIONS = 16;
const MAX_KEY = 64;
const MAX_VALUE = 256;
/** As much as a caller may send. */
const MAX_TEXT = 200_000;

export type AnyVerdict = Exclude<Verdict<Record<string, unknown>>, undefined>;

const isRecord = (it: unknown): it is Record<string, unknown> =>
  typeof it === "object" && it !== null && !Array.isArray(it);

/** What a hook gave back, nothing being "let it pass". @throws TypeError when it is no verdict: a typing error must not let things pass */
export function readVerdict(it: unknown): AnyVerdict {
  if (it === undefined || it === null) return { action: "allow" };
  if (isRecord(it) && (it.action === "allow" || it.action === "change")) return it as AnyVerdict;
  if (isRecord(it) && it.action === "block" && typeof it.reason === "string") return it as AnyVerdict;
  throw new TypeError(
    'a hook returns nothing, or { action: "allow" }, { action: "change", … } or { action: "block", reason }',
  );
}

/** As many as fit, under the hook's name, so that hooks do not overwrite one another's. */
export function annotationsOf(hook: string, given: unknown): Annotations | undefined {
  if (!isRecord(given)) return undefined;
  const entries = Object.entries(given).slice(0, MAX_ANNOTATIONS);
  if (!entries.length) return undefined;
  return Object.fromEntries(
    entries.map(([key, value]) => [
      `${hook}.${storableText(key.slice(0, MAX_KEY))}`,
      storableText(String(value).slice(0, MAX_VALUE)),
    ]),
  );
}

/** @throws TypeError */
export function changedText(it: unknown): string {
  if (typeof it !== "string" || it === "" || it.length > MAX_TEXT)
    throw new TypeError(`a changed message has a text of 1 to ${MAX_TEXT} characters`);
  return storableText(it);
}

/** @throws TypeError */
export function changedInput(it: unknown): Record<string, unknown> {
  if (!isRecord(it)) throw new TypeError("a changed call has an input, which is an object");
  return it;
}

/** @throws TypeError */
export function changedOutcome(it: unknown): ToolOutcome {
  if (!isRecord(it) || typeof it.output !== "string" || typeof it.isError !== "boolean")
    throw new TypeError("a changed result has an outcome: { output: string, isError: boolean }");
  return { output: capped(it.output), isError: it.isError };
}

const allButText = (content: ContentBlock[]): string => JSON.stringify(content.filter((it) => it.type !== "text"));

/** @throws TypeError when more than texts are changed: signed thinking and tool calls have to go back to the API as they came */
export function changedContent(it: unknown, was: ContentBlock[]): ContentBlock[] {
  if (!Array.isArray(it) || !it.every((block) => isRecord(block) && typeof block.type === "string"))
    throw new TypeError("a changed answer has a content, which is a list of blocks");
  const content = it as ContentBlock[];
  if (content.some((block) => block.type === "text" && typeof block.text !== "string"))
    throw new TypeError("a text block has a text");
  if (allButText(content) !== allButText(was))
    throw new TypeError("a hook may change an answer's texts only; a tool call is changed by beforeToolCall");
  return content.filter((block) => block.type !== "text" || block.text !== "");
}
