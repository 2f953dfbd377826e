import type { Message } from "../../database/runs/run.ts";
import type { ModelRequest } from "../model/client.ts";
import { tokensOfBytes } from "../model/tokens-of-bytes.ts";

/** How far the truth may be above an estimate. */
const DOUBT = 2;
/** What a message costs beside its blocks. */
const PER_MESSAGE_BYTES = 12;

/** Bytes of a value as JSON, about: nothing is built for it, so that it can be asked before every model call. */
export function bytesOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value) + 2;
  if (typeof value !== "object" || value === null) return 5;
  if (Array.isArray(value)) return value.reduce<number>((sum, it) => sum + bytesOf(it) + 1, 2);
  return Object.entries(value).reduce((sum, [key, it]) => sum + key.length + 4 + bytesOf(it), 2);
}

/** About how many tokens a message has. */
export const estimateMessage = ({ content }: Pick<Message, "content">): number =>
  tokensOfBytes(bytesOf(content) + PER_MESSAGE_BYTES);

/** The most that so many estimated tokens can be. */
export const atMost = (estimated: number): number => estimated * DOUBT;

const definitions = new WeakMap<object, number>();
function tokensOfDefinition(tool: object): number {
  const tokens = definitions.get(tool) ?? tokensOfBytes(bytesOf(tool));
  definitions.set(tool, tokens);
  return tokens;
}

/** About how many tokens the system prompt and the tools have. */
export const estimateRequest = ({ system, tools }: Pick<ModelRequest, "system" | "tools">): number =>
  tokensOfBytes(bytesOf(system ?? "")) + tools.reduce((sum, it) => sum + tokensOfDefinition(it), 0);
