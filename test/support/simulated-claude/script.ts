import type { Rule, SimulatedConfig } from "./config.ts";
import {
  currentTurn,
  questions,
  tokensOf,
  type Block,
  type Turn,
  type WireRequest,
  type WireTool,
} from "./conversation.ts";
import { SIGNATURE } from "./refusals.ts";

/** What the model says next. */
export interface Saying {
  content: Block[];
  stopReason: "end_turn" | "tool_use" | "max_tokens" | "refusal" | "model_context_window_exceeded";
}

type Schema = { properties?: Record<string, Record<string, unknown>> };

/** An input that satisfies a schema; `ordinal` is the call's number in its turn, so that calls can be told apart. */
export function inputFor(schema: Schema | undefined, ordinal: number): Record<string, unknown> {
  const value = (property: Record<string, unknown>, name: string): unknown => {
    if (Array.isArray(property.enum)) return property.enum[0];
    if (property.type === "integer" || property.type === "number") return ordinal;
    if (property.type === "boolean") return true;
    if (property.type === "array") return [];
    return property.type === "object" ? inputFor(property, ordinal) : `${name} ${ordinal}`;
  };
  return Object.fromEntries(Object.entries(schema?.properties ?? {}).map(([name, it]) => [name, value(it, name)]));
}

const call = (name: string, input: unknown): Block => ({ type: "tool_use", id: "", name, input });
const say = (text: string, stopReason: Saying["stopReason"] = "end_turn"): Saying => ({
  content: [{ type: "text", text }],
  stopReason,
});

/** `USE_TOOL n [name]`, `USE_TOOLS_PARALLEL n [name]`: so many calls, one by one or at once. */
function scriptedCalls(turn: Turn, tools: WireTool[]): Saying | undefined {
  const ask = (name: string | undefined, ordinal: number): Block => {
    const tool = tools.find((it) => it.name === name) ?? tools[0];
    return call(tool?.name ?? "", inputFor(tool?.input_schema, ordinal));
  };
  if (turn.summarised) return undefined;
  const parallel = /USE_TOOLS_PARALLEL\s+(\d+)(?:[ \t]+(\S+))?/.exec(turn.text);
  if (parallel && turn.results.length === 0 && Number(parallel[1]) > 0) {
    return {
      content: Array.from({ length: Number(parallel[1]) }, (_, i) => ask(parallel[2], i + 1)),
      stopReason: "tool_use",
    };
  }
  const single = /USE_TOOL\s+(\d+)(?:[ \t]+(\S+))?/.exec(turn.text);
  if (single && turn.results.length < Number(single[1])) {
    return { content: [ask(single[2], turn.results.length + 1)], stopReason: "tool_use" };
  }
  return undefined;
}

function fillIn(value: unknown, captures: RegExpExecArray): unknown {
  if (typeof value === "string") {
    const text = value.replace(/\$(\d)/g, (_, n) => captures[Number(n)]?.trim() ?? "");
    return /^\$\d$/.test(value) && /^\d{1,15}$/.test(text) ? Number(text) : text;
  }
  if (Array.isArray(value)) return value.map((it) => fillIn(it, captures));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, it]) => [key, fillIn(it, captures)]));
}

/** A tool's answer as a person would say it: rows become `name value`, other texts stay. */
function spoken(result: string): string {
  try {
    const data = JSON.parse(result);
    const rows = Array.isArray(data) ? data : Array.isArray(data?.rows) ? data.rows : undefined;
    if (!rows) return typeof data === "object" ? pairs(data) : result;
    return rows.length ? rows.map(pairs).join("; ") : "nothing was found";
  } catch {
    return result;
  }
}
const pairs = (row: unknown): string =>
  typeof row === "object" && row !== null
    ? Object.entries(row)
        .map(([key, it]) => `${key} ${typeof it === "object" ? JSON.stringify(it) : it}`)
        .join(", ")
    : String(row);

function field(result: string, name: string): string {
  try {
    const data = JSON.parse(result);
    const row = Array.isArray(data) ? data[0] : Array.isArray(data?.rows) ? data.rows[0] : data;
    return String(row?.[name] ?? "");
  } catch {
    return "";
  }
}

function memory(asked: string[]): string {
  if (asked.length < 2) return "This is the first thing that you asked me.";
  return `You first asked me: "${asked[0]}" This is question ${asked.length} of our conversation.`;
}

function render(rule: Rule, captures: RegExpExecArray, turn: Turn, asked: string[]): string {
  const result = turn.results.at(-1) ?? "";
  return String(fillIn(rule.answer, captures))
    .replace(/\{\{result\.(\w+)\}\}/g, (_, name) => field(result, name))
    .replaceAll("{{result}}", () => spoken(result))
    .replaceAll("{{question}}", () => turn.text)
    .replaceAll("{{first}}", () => asked[0] ?? "")
    .replaceAll("{{questions}}", String(asked.length))
    .replaceAll("{{memory}}", () => memory(asked));
}

/** The calls that a rule makes after so many answers; undefined when they are all made. */
function nextRound({ tool, input = {}, rounds }: Rule, answered: number): NonNullable<Rule["rounds"]>[0] | undefined {
  const all = rounds ?? (tool ? [[{ tool, input }]] : []);
  let before = 0;
  return all.find((round) => {
    const next = before === answered;
    before += round.length;
    return next;
  });
}

function byRule(rules: Rule[], turn: Turn, tools: WireTool[], asked: string[]): Saying | undefined {
  for (const rule of rules) {
    const captures = new RegExp(rule.match, "i").exec(turn.text);
    if (!captures || (rule.tool && !tools.some((it) => it.name === rule.tool))) continue;
    const round = nextRound(rule, turn.results.length);
    if (round)
      return { content: round.map((it) => call(it.tool, fillIn(it.input ?? {}, captures))), stopReason: "tool_use" };
    return say(render(rule, captures, turn, asked));
  }
  return undefined;
}

function answer(config: SimulatedConfig, turn: Turn): Saying {
  const asked = /REPLY_(CHARS|WORDS)\s+(\d+)/.exec(turn.text);
  const cut = turn.text.includes("STOP_AT_MAX_TOKENS");
  const unit = asked?.[1] === "WORDS" ? "word " : "x";
  return say(asked ? unit.repeat(Number(asked[2])) : config.replyText, cut ? "max_tokens" : "end_turn");
}

/** What the model says to this request: decided by the request and the configuration alone. */
export function nextSaying(config: SimulatedConfig, body: WireRequest): Saying {
  const messages = body.messages ?? [];
  const turn = currentTurn(messages);
  if (turn.text.endsWith("Write the summary of this conversation."))
    return say(config.summary.text, config.summary.stopReason);
  const tools = body.tool_choice?.type === "none" ? [] : (body.tools ?? []).filter((it) => it.input_schema);
  const saying =
    (tools.length ? scriptedCalls(turn, tools) : undefined) ??
    (/\b(USE_TOOLS?(_PARALLEL)?|REPLY_CHARS|REPLY_WORDS|STOP_AT_MAX_TOKENS)\b/.test(turn.text)
      ? undefined
      : byRule(config.rules, turn, tools, questions(messages))) ??
    answer(config, turn);
  if (!/\bTHINK\b/.test(turn.text)) return saying;
  return {
    ...saying,
    content: [{ type: "thinking", thinking: "Let me think.", signature: SIGNATURE }, ...saying.content],
  };
}

/** A text is cut off where the context window ends. @param room tokens that are left in it */
export function withinWindow(saying: Saying, room: number): Saying {
  const last = saying.content.at(-1);
  if (last?.type !== "text" || tokensOf(last.text ?? "") <= room) return saying;
  const text = (last.text ?? "").slice(0, Math.max(1, room) * 4);
  return { content: [...saying.content.slice(0, -1), { ...last, text }], stopReason: "model_context_window_exceeded" };
}
