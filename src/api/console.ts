/**
 * What the console's server tells its page, and hears from it: JSON over HTTP, on one origin. Types only: the server makes all of it,
 * and what the page sends is checked where it arrives (src/operator/console). Times are ISO 8601 in UTC, money is US dollars as a decimal.
 */

/** What somebody may look at, or do, of one tenant. How each is asked of Kubernetes: src/operator/console/rights.ts. */
export const CONSOLE_RIGHTS = [
  "tenant",
  "agents",
  "usage",
  "sessions",
  "transcripts",
  "approvals",
  "decide",
  "audit",
] as const;
export type ConsoleRight = (typeof CONSOLE_RIGHTS)[number];

/** An answer that is not what was asked for (RFC 9457); `remedy` says what to do about it. */
export interface ConsoleProblem {
  status: number;
  code: string;
  detail: string;
  remedy?: string;
}

export interface ConsoleMe {
  /** As Kubernetes calls them. */
  user: string;
  /** Must come back in the header `x-agentpg-csrf` of whatever changes something. */
  csrf: string;
  /** `cookie`: signed in here; `header`: something in between sends the token along, and there is nothing to sign out of. */
  via: "cookie" | "header";
  expiresAt: string | null;
}

export interface ConsoleCondition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
  since: string;
}

export interface ConsoleTenantLine {
  name: string;
  namespace: string;
  ready: ConsoleCondition["status"];
  reason: string;
  paused: boolean;
  agents: number;
  /** Security checks that failed, and how many there are. */
  failedChecks: number;
  checks: number;
}

export interface ConsoleTenants {
  items: ConsoleTenantLine[];
  /** There are too many to ask about one by one, and the user may not see all: only by name. */
  byNameOnly: boolean;
}

export interface ConsoleSecurityCheck {
  name: string;
  status: "Passed" | "Failed" | "Unknown";
  reason: string;
  message: string;
  checkedAt: string;
}

export interface ConsoleSpendLimit {
  usd: string | null;
  tokens: number | null;
}

export interface ConsoleTenant extends ConsoleTenantLine {
  rights: Record<ConsoleRight, boolean>;
  createdAt: string | null;
  schema: string | null;
  schemaVersion: number | null;
  isolation: string;
  deletionPolicy: string;
  conditions: ConsoleCondition[];
  securityChecks: ConsoleSecurityCheck[];
  budget: { perDay: ConsoleSpendLimit | null; perMonth: ConsoleSpendLimit | null };
  retention: { sessionDays: number; archiveDays: number; auditDays: number };
}

export interface ConsoleAgent {
  name: string;
  model: string;
  mode: string;
  replicas: number;
  readyReplicas: number;
  ready: ConsoleCondition["status"];
  tools: { name: string; kind: string; needsApproval: boolean }[];
  encrypted: boolean;
  pii: string;
  conditions: ConsoleCondition[];
}

export interface ConsoleTokens {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
}

export interface ConsoleUsageLine {
  key: string;
  runs: number;
  tokens: ConsoleTokens;
  usd: string;
}

/** What was spent today and this month (UTC), and what may be. */
export interface ConsoleSpend {
  spent: { today: { usd: string; tokens: number }; month: { usd: string; tokens: number } };
  budget: ConsoleTenant["budget"];
}

export interface ConsoleUsage extends ConsoleSpend {
  from: string;
  to: string;
  byDay: ConsoleUsageLine[];
  byAgent: ConsoleUsageLine[];
  byModel: ConsoleUsageLine[];
}

export interface ConsoleSession {
  id: string;
  agent: string;
  user: string;
  /** The run of another agent that asked for this conversation. */
  parentRun: string | null;
  createdAt: string;
  compactions: number;
  runs: number;
  /** Of the last run; null before the first. */
  state: string | null;
  lastAt: string | null;
  usd: string;
}

export interface ConsolePage<T, Key> {
  items: T[];
  /** Where the next page begins; null: this is the last. */
  next: Key | null;
}

/** A run with the runs that it asked other agents for. Nothing of what was said is in it. */
export interface ConsoleRunNode {
  id: string;
  sessionId: string;
  agent: string;
  state: string;
  iteration: number;
  tokens: number;
  usd: string;
  createdAt: string;
  finishedAt: string | null;
  tools: { name: string; state: string; childRun: string | null }[];
  children: ConsoleRunNode[];
}

export interface ConsoleSessionDetail {
  session: ConsoleSession;
  /** The session that asked for this one. */
  parentSession: string | null;
  /** The newest runs, the oldest of them first; with all that they asked for. */
  runs: ConsoleRunNode[];
  /** There are more than are shown. */
  cut: boolean;
}

export interface ConsoleBlock {
  kind: "text" | "thinking" | "tool_use" | "tool_result" | "other";
  /** As text, JSON where it was JSON. */
  text: string;
  /** The tool's name; of another block its type. */
  name?: string;
  id?: string;
  isError?: boolean;
}

export interface ConsoleMessage {
  seq: number;
  runId: string;
  role: "user" | "assistant";
  createdAt: string;
  blocks: ConsoleBlock[];
  /** Why there is nothing to read: too large, or encrypted with a key that is not here. */
  withheld: string | null;
}

export interface ConsoleLiveRun {
  id: string;
  sessionId: string;
  agent: string;
  user: string;
  state: string;
  iteration: number;
  depth: number;
  tokens: number;
  usd: string;
  createdAt: string;
  startedAt: string | null;
  /** Calls under way, by tool. */
  tools: string[];
  pod: string | null;
}

export interface ConsoleApproval {
  runId: string;
  toolUseId: string;
  sessionId: string;
  agent: string;
  user: string;
  tool: string;
  /** What the tool will be called with, as JSON; null when it cannot be shown. */
  input: string | null;
  withheld: string | null;
  /** Whether a denial may say why here. Agents that look for personal data take reasons by their own API alone, which looks. */
  takesReason: boolean;
  requestedAt: string;
  expiresAt: string;
}

export interface ConsoleDecision {
  runId: string;
  toolUseId: string;
  approve: boolean;
}

export interface ConsoleAuditRow {
  seq: number;
  at: string;
  action: string;
  agent: string | null;
  user: string | null;
  /** What else the line says, as JSON; a beginning of it when it is long. */
  detail: string;
  /** The row's text gives its hash, and the hash of the row before it is the one that it names. */
  intact: boolean;
}

export interface ConsoleAudit extends ConsolePage<ConsoleAuditRow, number> {
  head: { seq: number; hash: string };
  /** When the whole log was last found to be as it was written, and up to which row; null: never. */
  verified: { seq: number; at: string } | null;
}
