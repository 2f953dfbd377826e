import { blocksOf, type Block, type WireMessage, type WireRequest, type WireTool } from "./conversation.ts";

interface Side {
  role: string;
  blocks: Block[];
}

/** Consecutive messages of one role count as one, as the API has it. */
function merged(messages: WireMessage[]): Side[] {
  const sides: Side[] = [];
  for (const { role, content } of messages) {
    const last = sides.at(-1);
    if (last?.role === role) last.blocks.push(...blocksOf(content));
    else sides.push({ role, blocks: [...blocksOf(content)] });
  }
  return sides;
}

const idsOf = (blocks: Block[], type: string, key: "id" | "tool_use_id"): string[] =>
  blocks.filter((it) => it.type === type).map((it) => String(it[key]));

function refusedPair(sides: Side[], i: number): string | undefined {
  const side = sides[i] as Side;
  const used = idsOf(i > 0 ? (sides[i - 1] as Side).blocks : [], "tool_use", "id");
  const answered = idsOf(side.blocks, "tool_result", "tool_use_id");
  const stray = answered.find((id) => side.role !== "user" || !used.includes(id));
  if (stray) {
    return `messages.${i}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${stray}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`;
  }
  const open = used.find((id) => !answered.includes(id));
  if (open)
    return `messages.${i}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open}.`;
  const twice = used.find((id, at) => used.indexOf(id) !== at);
  return twice ? `messages.${i - 1}: \`tool_use\` ids must be unique: ${twice}` : undefined;
}

function refusedCall({ id, name, input }: Block): string | undefined {
  if (!/^[a-zA-Z0-9_-]+$/.test(id ?? "")) return "id: String should match pattern '^[a-zA-Z0-9_-]+$'";
  if (!name) return "name: String should have at least 1 character";
  if (name.length > 200) return "name: String should have at most 200 characters";
  return typeof input === "object" && input !== null && !Array.isArray(input)
    ? undefined
    : "input: Input should be an object";
}

/** Half of a surrogate pair is JSON for some, and not for the API. */
export function hasHalfCharacter(body: string): boolean {
  if (!/\\ud[89a-f]/i.test(body)) return false;
  let found = false;
  JSON.parse(body, (_key, it) => void (found ||= typeof it === "string" && !it.isWellFormed()));
  return found;
}

function refusedMessage(messages: WireMessage[], i: number): string | undefined {
  const { role, content } = messages[i] as WireMessage;
  if (role !== "user" && role !== "assistant") return `messages.${i}.role: Input should be 'user' or 'assistant'`;
  const blocks = blocksOf(content);
  const empty = blocks.length === 0 || blocks.some((it) => it.type === "text" && !it.text);
  if (empty && !(i === messages.length - 1 && role === "assistant"))
    return `messages.${i}: text content blocks must be non-empty`;
  const call = blocks.findIndex((it) => it.type === "tool_use" && refusedCall(it));
  if (call >= 0) return `messages.${i}.content.${call}.tool_use.${refusedCall(blocks[call] as Block)}`;
  const unsigned = blocks.some((it) => it.type === "thinking" && it.signature !== SIGNATURE);
  return unsigned ? `messages.${i}: Invalid \`signature\` in \`thinking\` block` : undefined;
}

/** The signature of every thinking block that the simulated model makes; a changed one is refused. */
export const SIGNATURE = "c2ltdWxhdGVkLXNpZ25hdHVyZQ==";

function refusedTool({ name, input_schema: schema }: WireTool, i: number): string | undefined {
  if (!/^[a-zA-Z0-9_-]{1,128}$/.test(name)) return `tools.${i}.custom.name: String should match pattern`;
  if (["oneOf", "anyOf", "allOf"].some((it) => schema && it in schema))
    return `tools.${i}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level`;
  return Object.keys(schema?.properties ?? {}).every((it) => /^[a-zA-Z0-9_.-]{1,64}$/.test(it))
    ? undefined
    : `tools.${i}.custom.input_schema.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'`;
}

/** Why the real API would refuse this request with a 400, in its words; nothing when it would take it. */
export function refusal(body: WireRequest | undefined, needsMaxTokens = true): string | undefined {
  if (!body || typeof body !== "object") return "body: Input should be an object";
  if (typeof body.model !== "string" || !body.model) return "model: Field required";
  if (needsMaxTokens && !(Number.isInteger(body.max_tokens) && Number(body.max_tokens) > 0))
    return "max_tokens: Field required";
  const messages = body.messages;
  if (!Array.isArray(messages) || messages.length === 0) return "messages: at least one message is required";
  if (messages[0]?.role !== "user") return "messages: first message must use the `user` role";
  for (let i = 0; i < messages.length; i++) {
    const why = refusedMessage(messages, i);
    if (why) return why;
  }
  const sides = merged(messages);
  for (let i = 0; i < sides.length; i++) {
    const why = refusedPair(sides, i);
    if (why) return why;
  }
  const open = idsOf(sides.at(-1)?.blocks ?? [], "tool_use", "id")[0];
  if (open)
    return `messages.${sides.length - 1}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open}.`;
  const refused = (body.tools ?? []).map(refusedTool).find((it) => it !== undefined);
  if (refused) return refused;
  const names = (body.tools ?? []).map((it) => it.name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  return twice ? `tools: Tool names must be unique: ${twice}` : undefined;
}
