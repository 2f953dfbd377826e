import type { AgentConfig } from "../../api/agent-config.ts";
import type { ContentBlock, Message } from "../../database/runs/run.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import { textOf } from "../model/accumulate.ts";
import type { ToolOutcome } from "../tools/tool.ts";
import { CleanContents } from "./clean-contents.ts";
import { redactContent } from "./content.ts";
import type { IsKnown } from "./detect.ts";
import type { Finding, PiiCounts, PiiKind } from "./finding.ts";
import { findingsIn } from "./detect.ts";
import { redactJson, redactText } from "./redact.ts";
import { StreamRedactor } from "./stream.ts";

/** `Redact`: placeholders are stored and sent in the place of findings. `Block`: what has a finding is refused. */
export type PiiPolicy = "Redact" | "Block";

/** What was made of a value, and what was found in it. */
export interface Redacted<T> {
  value: T;
  counts: PiiCounts;
}

export const isClean = (counts: PiiCounts): boolean => Object.keys(counts).length === 0;
/** The kinds of findings, for people. */
export const kindsIn = (counts: PiiCounts): string => Object.keys(counts).sort().join(", ");
/** Findings for the audit log: kinds and counts only. */
export const asAnnotations = (counts: PiiCounts): Record<string, string> =>
  Object.fromEntries(Object.entries(counts).map(([kind, count]) => [kind, String(count)]));

/** The policy for personal data of one agent: on all that is stored, or sent to the model. */
export class Protection {
  readonly policy: PiiPolicy;
  readonly #metrics: Pick<RuntimeMetrics, "piiFindings">;
  readonly #isKnown: IsKnown;
  /** Contents as the model gets them; they stay the same objects while a run is worked on. */
  readonly #sent = new WeakMap<ContentBlock[], ContentBlock[]>();
  readonly #clean = new CleanContents();

  constructor(policy: PiiPolicy, isKnown: IsKnown, metrics: Pick<RuntimeMetrics, "piiFindings">) {
    this.policy = policy;
    this.#isKnown = isKnown;
    this.#metrics = metrics;
  }

  count(counts: PiiCounts): void {
    const action = this.policy === "Block" ? "blocked" : "redacted";
    for (const [kind, count] of Object.entries(counts)) this.#metrics.piiFindings.inc({ kind, action }, count);
  }

  findings(text: string): Finding[] {
    return findingsIn(text, this.#isKnown);
  }

  text(text: string): Redacted<string> {
    const counts: PiiCounts = {};
    const value = redactText(text, counts, this.#isKnown);
    this.#clean.add([{ type: "text", text: value }]);
    this.count(counts);
    return { value, counts };
  }

  json<T>(it: T): Redacted<T> {
    const counts: PiiCounts = {};
    const value = redactJson(it, counts, this.#isKnown);
    this.count(counts);
    return { value, counts };
  }

  /** What the model said, as it may be stored. */
  answer(content: ContentBlock[]): Redacted<ContentBlock[]> {
    const counts: PiiCounts = {};
    const value = redactContent(content, counts, this.#isKnown);
    this.count(counts);
    this.#clean.add(value);
    return { value, counts };
  }

  /** What may be told at once of an answer that is there as a whole. */
  spoken(content: ContentBlock[]): string {
    const counts: PiiCounts = {};
    const value = redactContent(content, counts, this.#isKnown);
    return this.policy === "Block" && !isClean(counts) ? "" : textOf(value);
  }

  /** What may be told of an answer while it comes. Under `Block` nothing from the first finding on. */
  stream(): StreamRedactor {
    return new StreamRedactor(this.#isKnown, this.policy === "Block");
  }

  /** What the model is to read of a tool's outcome. */
  outcome(outcome: ToolOutcome): Redacted<ToolOutcome> {
    const { value: output, counts } = this.text(outcome.output);
    if (isClean(counts)) return { value: outcome, counts };
    if (this.policy === "Redact") return { value: { ...outcome, output }, counts };
    const withheld = `the output was withheld: it holds personal data (${kindsIn(counts)}), which this agent may not read`;
    return { value: { output: withheld, isError: true }, counts };
  }

  /**
   * The conversation as the model gets it. What was stored before the policy was there, or by an agent without one, is redacted on its way,
   * whatever the policy is.
   */
  outgoing(messages: readonly Message[]): Message[] {
    return messages.map(({ role, content }) => ({ role, content: this.#outgoing(content) }));
  }

  #outgoing(content: ContentBlock[]): ContentBlock[] {
    const known = this.#sent.get(content);
    if (known) return known;
    if (this.#clean.has(content)) return content;
    const made = redactContent(content, {}, this.#isKnown);
    this.#clean.add(made);
    this.#sent.set(content, made);
    return made;
  }
}

/** Kinds that an organisation gives of itself. */
const GIVEN: ReadonlySet<PiiKind> = new Set(["email", "phone", "iban", "ip_address"]);
const plain = (value: string): string => value.toLowerCase().replace(/[\s().-]/g, "");

/** What the agent's author wrote into its prompt or its tools is there to be told: an address of the support, a number to call. */
export function knownFrom({ systemPrompt, tools }: Pick<AgentConfig, "systemPrompt" | "tools">): IsKnown {
  const known = new Set<string>();
  for (const text of [systemPrompt ?? "", ...tools.map((it) => it.description)]) {
    for (const { kind, start, end } of findingsIn(text)) known.add(`${kind} ${plain(text.slice(start, end))}`);
  }
  return (kind, value) => GIVEN.has(kind) && known.has(`${kind} ${plain(value)}`);
}

/** The agent's protection; undefined: its policy is Off. */
export function createProtection(
  config: Pick<AgentConfig, "pii" | "systemPrompt" | "tools">,
  metrics: Pick<RuntimeMetrics, "piiFindings">,
): Protection | undefined {
  return config.pii === "Off" ? undefined : new Protection(config.pii, knownFrom(config), metrics);
}
