import type { ContentBlock, Message } from "../../database/runs/run.ts";
import { storableJson } from "../../database/runs/storable.ts";
import { uuidv7 } from "../uuid.ts";
import type { ModelAnswer } from "./accumulate.ts";

/** Under this key is what a model gave as a tool's input although it is no JSON object; the API's documentation names it so. */
const INVALID = "INVALID_JSON";
/** Objects in objects; more is no use to a tool, and ends checks and Postgres with a full stack. */
const DEEPEST = 128;
/** Longer than the name of a tool can be. */
const NO_NAME = "invalid_tool_name".padEnd(65, "_");
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** A tool's input as an object, whatever the model wrote: what is none is kept under a key, so that the model can be shown it. */
export function toolInput(json: string): Record<string, unknown> {
  try {
    const input: unknown = JSON.parse(json);
    if (isObject(input) && !isDeeperThan(input, DEEPEST)) return input;
  } catch {
    // no JSON: kept as it is
  }
  return { [INVALID]: json };
}

/** Why the input of a stored call is none. */
export function invalidInput(input: unknown): string | undefined {
  const invalid = isObject(input) && typeof input[INVALID] === "string" && Object.keys(input).length === 1;
  return invalid ? `it is not a JSON object, or one of more than ${DEEPEST} levels: call the tool again` : undefined;
}

/** What of an answer goes into the conversation: no empty texts, no tool call that was cut off (its pair would never come), and nothing that the API would not take back. */
export function storableContent(answer: ModelAnswer): ContentBlock[] {
  const whole = answer.stopReason === "tool_use";
  const kept = answer.content.filter((it) => !(it.type === "text" && !it.text) && (whole || it.type !== "tool_use"));
  return fitContent(kept);
}

const ID = /^[a-zA-Z0-9_-]{1,128}$/;

/** The content with a new id for each tool call whose id was there before: what is written of one call must never be taken for another's. */
export function withOwnIds(content: ContentBlock[], conversation: Message[]): ContentBlock[] {
  if (!content.some((it) => it.type === "tool_use")) return content;
  const taken = new Set(
    conversation.flatMap((it) => it.content).flatMap((it) => (it.type === "tool_use" ? [it.id] : [])),
  );
  return content.map((it) => {
    if (it.type !== "tool_use") return it;
    const id = taken.has(it.id) || !ID.test(String(it.id)) ? `toolu_${uuidv7().replaceAll("-", "")}` : it.id;
    taken.add(id);
    return id === it.id ? it : { ...it, id };
  });
}

/**
 * An answer's blocks as Postgres keeps them and the API takes them back: one block that it refuses would end every later run of the
 * session as well. Signed thinking cannot be changed, so it is left out when it would have to be.
 */
function fitContent(content: ContentBlock[]): ContentBlock[] {
  const blocks = content.map(fitBlock).filter((it) => !isDeeperThan(it, DEEPEST + 2));
  const stored = JSON.parse(storableJson(blocks)) as ContentBlock[];
  return stored.filter((it, i) => it.type !== "thinking" || it.thinking === blocks[i]?.thinking);
}

function fitBlock(block: ContentBlock): ContentBlock {
  if (block.type !== "tool_use") return block;
  const name = NAME.test(String(block.name)) ? String(block.name) : NO_NAME;
  const { input } = block;
  const fits = isObject(input) && !isDeeperThan(input, DEEPEST);
  return { ...block, name, input: fits ? input : input === undefined ? {} : { [INVALID]: textOf(input) } };
}

const textOf = (input: unknown): string => {
  try {
    return JSON.stringify(input);
  } catch {
    return "(too deep to be shown)";
  }
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function isDeeperThan(value: object, most: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length; depth++) {
    if (depth >= most) return true;
    level = level.flatMap((it) => (typeof it === "object" && it !== null ? Object.values(it) : []));
  }
  return false;
}
