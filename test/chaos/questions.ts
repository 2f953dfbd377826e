import type { Rule } from "../support/simulated-claude/config.ts";
import { LEDGER_HOST } from "./ledger.ts";

/** What is asked for; `SAY kind token` is the question, and the answer tells the token. */
export const KINDS = ["plain", "once", "twice", "again", "parallel", "delegate", "both"] as const;
export type Kind = (typeof KINDS)[number];

export const question = (kind: Kind, token: string): string => `SAY ${kind} ${token}`;

/** How many effects of each kind a question has on the ledger when it is answered without a disturbance. */
const note = (kind: "once" | "again", n: number) => ({
  tool: kind,
  input: { method: "POST", url: `https://${LEDGER_HOST}/${kind}/$1.${n}` },
});
const research = { tool: "researcher", input: { task: "SAY once $1-child" } };

const LONG = "This answer takes a moment to be said, so that something can happen while it is. It is about $1.";
const rule = (kind: Kind, ...rounds: NonNullable<Rule["rounds"]>): Rule => ({
  match: `SAY ${kind} (\\S+)`,
  rounds,
  answer: LONG,
});

/** How the simulated model answers. */
export const RULES: Rule[] = [
  rule("plain"),
  rule("once", [note("once", 1)]),
  rule("twice", [note("once", 1)], [note("once", 2)]),
  rule("again", [note("again", 1)]),
  rule("parallel", [note("once", 1), note("again", 2), note("once", 3)]),
  rule("delegate", [research]),
  rule("both", [research, note("once", 1)], [note("again", 2)]),
];

const http = { allowedHosts: [LEDGER_HOST], methods: ["POST" as const] };
const ledgerTools = [
  { name: "once", description: "Notes something for good.", http },
  { name: "again", description: "Notes something; may be repeated.", idempotent: true, http },
];

export const SUPPORT = {
  agent: { name: "support", uid: "support" },
  tools: [...ledgerTools, { name: "researcher", description: "Finds out.", agent: { name: "researcher" } }],
};
export const RESEARCHER = { agent: { name: "researcher", uid: "researcher" }, tools: ledgerTools };
