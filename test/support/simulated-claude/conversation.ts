/** A content block as it is on the wire; only what is looked at has a type. */
export interface Block {
  type: string;
  text?: string;
  id?: string;
  name?: string;
  input?: unknown;
  tool_use_id?: string;
  content?: string | Block[];
  [more: string]: unknown;
}
export interface WireMessage {
  role: string;
  content: string | Block[];
}
export interface WireTool {
  name: string;
  input_schema?: { properties?: Record<string, Record<string, unknown>> };
}
export interface WireRequest {
  model?: string;
  max_tokens?: number;
  stream?: boolean;
  system?: unknown;
  messages?: WireMessage[];
  tools?: WireTool[];
  tool_choice?: { type: string };
}

export const blocksOf = (content: string | Block[] | undefined): Block[] =>
  typeof content === "string" ? [{ type: "text", text: content }] : (content ?? []);

export const textOf = (content: string | Block[] | undefined): string =>
  blocksOf(content)
    .filter((it) => it.type === "text")
    .map((it) => it.text ?? "")
    .join("\n");

/** A user's question and what tools have answered since. */
export interface Turn {
  text: string;
  results: string[];
  /** A summary in it tells of work that was done already. */
  summarised: boolean;
}

/** A summary of what came before is no question: the model understands that. */
const isSummary = (block: Block): boolean => block.text?.startsWith("[Summary of the earlier conversation") ?? false;

const asks = (message: WireMessage): boolean =>
  message.role === "user" && blocksOf(message.content).some((it) => it.type === "text" && !isSummary(it));

const resultsOf = (message: WireMessage): string[] =>
  message.role !== "user"
    ? []
    : blocksOf(message.content)
        .filter((it) => it.type === "tool_result")
        .map((it) => textOf(it.content));

/** The turn that the model is to go on with: the last user message with text, and the tool results after it. */
export function currentTurn(messages: WireMessage[]): Turn {
  const start = messages.findLastIndex(asks);
  if (start < 0) return { text: "", results: [], summarised: false };
  const since = messages.slice(start + 1);
  const summarised = since.some((it) => it.role === "user" && blocksOf(it.content).some(isSummary));
  return { text: textOf(messages[start]?.content), results: since.flatMap(resultsOf), summarised };
}

/** All questions of the conversation, the oldest first. */
export const questions = (messages: WireMessage[]): string[] => messages.filter(asks).map((it) => textOf(it.content));

/** Four characters a token, as a rule of thumb; deterministic. */
export const tokensOf = (text: string): number => Math.max(1, Math.ceil(text.length / 4));

const counted = new WeakMap<WireRequest, number>();

export function countTokens(body: WireRequest): number {
  const tokens = counted.get(body) ?? tokensOfRequest(body);
  counted.set(body, tokens);
  return tokens;
}

function tokensOfRequest(body: WireRequest): number {
  const parts = [
    body.system ?? "",
    ...(body.messages ?? []).map((it) => it.content),
    ...(body.tools ? [body.tools] : []),
  ];
  return parts.reduce<number>((sum, part) => sum + tokensOf(typeof part === "string" ? part : JSON.stringify(part)), 0);
}
