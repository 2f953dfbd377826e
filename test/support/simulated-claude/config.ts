/** What the simulated endpoint can be told, at start or at run time by POST /__config. */
export interface SimulatedConfig {
  /** Until the first byte of an answer, in milliseconds. */
  latencyMs: number;
  /** Between two pieces of a streamed answer, in milliseconds. */
  chunkDelayMs: number;
  /** `words`: a piece per word, as a person sees it; a number: so many pieces per block, which is cheaper. */
  chunks: "words" | number;
  /** How long a batch stays in progress, in milliseconds. */
  batchMs: number;
  /** Batches on one page of their list, at most. */
  batchPage: number;
  batchFaults: BatchFault[];
  batchOutcomes: BatchOutcome[];
  /** Refuse what the real API refuses. */
  strict: boolean;
  /** How many request bodies GET /__requests remembers. */
  keepRequests: number;
  /** Context windows by model, in tokens; 200,000 when left out. */
  windows: Record<string, number>;
  /** The answer to whoever asks for the summary of a conversation, and how it ends. */
  summary: { text: string; stopReason: "end_turn" | "max_tokens" | "refusal" };
  /** The answer when no rule and no word of the script applies. */
  replyText: string;
  /** Keys that are refused with 401. */
  badKeys: string[];
  /** When not empty: the only keys that are taken. */
  goodKeys: string[];
  faults: Fault[];
  sayings: ExactSaying[];
  rules: Rule[];
}

/** A fault that a model call meets. Which call: by number from 1 since start or reset, or by a text in the turn. */
export interface Fault {
  kind: FaultKind;
  first?: number;
  every?: number;
  at?: number[];
  match?: string;
  /** Hits at most. */
  times?: number;
  /** Seconds, for `rate_limit` and `overloaded`. */
  retryAfter?: number;
  /** Stream faults strike after so many events. */
  afterEvents?: number;
  hits?: number;
}

/** Said word for word to a turn that contains `match`, once unless told: what a model should not say, or not so. */
export interface ExactSaying {
  match: string;
  content?: Record<string, unknown>[];
  stopReason?: string;
  usage?: Record<string, number>;
  /** The events of the stream in the place of the right ones. */
  events?: { type: string; [more: string]: unknown }[];
  times?: number;
  hits?: number;
}

export type BatchCall = "create" | "list" | "retrieve" | "results" | "cancel";

/** A fault of the Message Batches API, once unless told: `reset_after` (of `create`) does its work and answers nothing. */
export interface BatchFault {
  on: BatchCall;
  kind: "rate_limit" | "overloaded" | "server_error" | "unauthorized" | "reset" | "reset_after" | "truncate";
  times?: number;
  hits?: number;
}

/** What becomes of a request of a batch whose question contains `match`, once unless told. */
export interface BatchOutcome {
  match: string;
  type: "errored" | "expired" | "canceled" | "missing";
  /** `api_error` when left out. */
  error?: string;
  message?: string;
  times?: number;
  hits?: number;
}

export type FaultKind =
  | "rate_limit"
  | "overloaded"
  | "server_error"
  | "bad_request"
  | "prompt_too_long"
  | "hang"
  | "reset"
  | "truncate"
  | "malformed_sse"
  | "error_event"
  | "stall";

/**
 * How it acts without magic words: the first rule whose pattern (case-insensitive) matches the question applies.
 * `$1`, `$2` … in `input` and `answer` are captures (a string that is just `$1` and looks like a number becomes one);
 * `{{result}}` is what the tool answered, `{{result.status}}` a field of it (of its first row, when it is a list of rows),
 * `{{question}}` this question, `{{first}}` the first question of the conversation, `{{questions}}` how many there were.
 */
export interface Rule {
  match: string;
  /** The tool to call; the rule is passed over when the request does not offer it. */
  tool?: string;
  input?: Record<string, unknown>;
  /** Several calls instead of one: those of a round are made at once, the next round follows when they are answered. */
  rounds?: { tool: string; input?: Record<string, unknown> }[][];
  answer: string;
}

/** What makes a demo feel natural: orders by number, a researcher to ask, notes to take, and a memory. */
export const DEMO_RULES: Rule[] = [
  { match: "what (?:did|was|were).*\\b(?:first|before|earlier)\\b|remember|my first question", answer: "{{memory}}" },
  {
    match: "\\border (?:no\\.? ?|number |#)?(\\d+)",
    tool: "orders",
    input: { id: "$1" },
    answer: "Order $1: {{result}}",
  },
  {
    match: "\\bask (?:the )?researcher\\b[ ,:]*(?:to |about |for )?(.+)",
    tool: "researcher",
    input: { task: "$1" },
    answer: "The researcher says: {{result}}",
  },
  {
    match: "\\bnote[ ,:]+(?:that )?(.+)",
    tool: "notes",
    input: { action: "append", path: "notes.txt", content: "$1\n" },
    answer: "I have noted: $1",
  },
  {
    match: "^(?:please )?(?:find|look|research|compare|summari[sz]e|explain|check)\\b",
    answer: 'About "{{question}}": I have looked at it, and there is nothing out of the ordinary.',
  },
];

export const defaultConfig = (): SimulatedConfig => ({
  latencyMs: 0,
  chunkDelayMs: 0,
  chunks: 4,
  batchMs: 0,
  batchPage: 100,
  batchFaults: [],
  batchOutcomes: [],
  strict: true,
  keepRequests: 50,
  windows: {},
  summary: { text: "1. Purpose: as it was summarised.", stopReason: "end_turn" },
  replyText: "All done.",
  badKeys: ["sk-ant-bad"],
  goodKeys: [],
  faults: [],
  sayings: [],
  rules: DEMO_RULES,
});

/** The exact saying that a turn is answered with, counted as a hit. */
export function takeSaying(sayings: ExactSaying[], turnText: string): ExactSaying | undefined {
  const saying = sayings.find((it) => turnText.includes(it.match) && (it.hits ?? 0) < (it.times ?? 1));
  if (saying) saying.hits = (saying.hits ?? 0) + 1;
  return saying;
}

/** The fault that call number `n` meets, counted as a hit. */
export function takeFault(faults: Fault[], n: number, turnText: string): Fault | undefined {
  const strikes = (it: Fault): boolean =>
    (it.times === undefined || (it.hits ?? 0) < it.times) &&
    ((it.first !== undefined && n <= it.first) ||
      (it.every !== undefined && n % it.every === 0) ||
      (it.at?.includes(n) ?? false) ||
      (it.match !== undefined && turnText.includes(it.match)));
  const fault = faults.find(strikes);
  if (fault) fault.hits = (fault.hits ?? 0) + 1;
  return fault;
}
