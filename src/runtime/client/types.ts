// Generated from docs/openapi.json by `npm run generate`; do not edit.

export type NewSession = { metadata?: Record<string, string> };

export type SessionChange = {
  /** New values; null takes an entry out. */
  metadata: Record<string, string | null>;
};

export type NewRun = {
  message: string;
  /** Objects and lists in each other at most 100 deep. */
  variables?: Record<string, unknown>;
};

export type Decision = {
  /** true: the call is made. false: the model is told that it was denied. */
  approve: boolean;
  /** Of a denial: for the model, the audit log and whoever follows the run. */
  reason?: string;
};

export type Session = {
  id: string;
  agent: string;
  metadata: Record<string, unknown>;
  /** How often its conversation was compacted. */
  compactions: number;
  createdAt: string;
};

export type SessionPage = {
  items: {
    id: string;
    agent: string;
    metadata: Record<string, unknown>;
    /** How often its conversation was compacted. */
    compactions: number;
    createdAt: string;
  }[];
  /** The value of `before` for the next page. */
  next: string | null;
};

export type Message = {
  seq: number;
  runId: string;
  role: "user" | "assistant";
  content: { type: string; [field: string]: unknown }[];
  createdAt: string;
};

export type MessagePage = {
  items: {
    seq: number;
    runId: string;
    role: "user" | "assistant";
    content: { type: string; [field: string]: unknown }[];
    createdAt: string;
  }[];
  /** The value of `after` for the next page. */
  next: number | null;
};

export type Run = {
  id: string;
  sessionId: string;
  agent: string;
  model: string;
  state:
    | "pending"
    | "running"
    | "awaiting_agent"
    | "awaiting_approval"
    | "awaiting_batch"
    | "completed"
    | "failed"
    | "cancelled";
  iteration: number;
  response: string | null;
  stopReason: string | null;
  error: { type: string; message: string } | null;
  tokens: { input: number; output: number; cacheRead: number; cacheWrite: number };
  /** US dollars as a decimal. */
  usd: string;
  cancelRequested: boolean;
  batchSubmittedAt: string | null;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
};

export type RunPage = {
  items: {
    id: string;
    sessionId: string;
    agent: string;
    model: string;
    state:
      | "pending"
      | "running"
      | "awaiting_agent"
      | "awaiting_approval"
      | "awaiting_batch"
      | "completed"
      | "failed"
      | "cancelled";
    iteration: number;
    response: string | null;
    stopReason: string | null;
    error: { type: string; message: string } | null;
    tokens: { input: number; output: number; cacheRead: number; cacheWrite: number };
    /** US dollars as a decimal. */
    usd: string;
    cancelRequested: boolean;
    batchSubmittedAt: string | null;
    createdAt: string;
    startedAt: string | null;
    finishedAt: string | null;
  }[];
  /** The value of `before` for the next page. */
  next: string | null;
};

export type AcceptedRun = {
  id: string;
  sessionId: string;
  state:
    | "pending"
    | "running"
    | "awaiting_agent"
    | "awaiting_approval"
    | "awaiting_batch"
    | "completed"
    | "failed"
    | "cancelled";
};

export type RunTree = {
  id: string;
  sessionId: string;
  agent: string;
  depth: number;
  state:
    | "pending"
    | "running"
    | "awaiting_agent"
    | "awaiting_approval"
    | "awaiting_batch"
    | "completed"
    | "failed"
    | "cancelled";
  task: string;
  response: string | null;
  error: { type: string; message: string } | null;
  iteration: number;
  tokens: number;
  /** US dollars, of this run alone. */
  usd: string;
  /** US dollars, with all that it asked for. */
  totalUsd: string;
  createdAt: string;
  finishedAt: string | null;
  toolCalls: {
    toolUseId: string;
    name: string;
    state: "awaiting_approval" | "approved" | "running" | "completed" | "failed";
    attempts: number;
    isError: boolean | null;
    input: unknown;
    startedAt: string;
    finishedAt: string | null;
    childRun: string | null;
  }[];
  /** Of the same shape. */
  children: { id: string; [field: string]: unknown }[];
};

export type ApprovalPage = {
  items: {
    runId: string;
    sessionId: string;
    /** Whose session it is. */
    user: string;
    /** Whether you may decide on it (Agent spec.approvals). */
    mayDecide: boolean;
    toolUseId: string;
    tool: string;
    input: unknown;
    requestedAt: string;
    expiresAt: string;
  }[];
  /** The value of `after` for the next page. */
  next: string | null;
};

export type Decided = { runId: string; toolUseId: string; approved: boolean };

export type Context = {
  /** As the API counts them, or, when it does not say, about right. */
  tokens: number;
  windowTokens: number;
  /** From there on the next run compacts the conversation. */
  triggerTokens: number;
  targetTokens: number;
  needsCompaction: boolean;
  compactions: number;
  /** In the conversation as the model gets it. */
  messages: number;
  /** Originals that are kept of what was changed or taken out. */
  archivedMessages: number;
};

export type Compacted = {
  /** The run that it is in the books; null when there was nothing to do. */
  runId: string | null;
  outcome: "pruned" | "summarised" | "unchanged";
  tokensBefore: number;
  tokensAfter: number;
};

export type Usage = {
  from: string;
  to: string;
  by: "day" | "agent" | "model" | "user";
  scope: "user" | "tenant";
  items: {
    /** The UTC day, the agent's or the model's name, or the user's id. */
    key: string;
    runs: number;
    tokens: { input: number; output: number; cacheRead: number; cacheWrite: number };
    /** US dollars as a decimal. */
    usd: string;
  }[];
};

export type Limits = {
  budgets: {
    name: string;
    /** Runs that would spend more end as failed with budget_exceeded. */
    exhausted: boolean;
    resets: string;
    /** Only for callers with the scope agentpg:admin. */
    usd?: { limit: number; spent: number };
    /** Only for callers with the scope agentpg:admin. */
    tokens?: { limit: number; spent: number };
  }[];
  /** The least of the tenant's and the agent's. */
  runsPerMinute: number;
  concurrentRuns: number;
  queuedRuns: number;
  /** Runs of this agent that wait now. */
  queued: number;
};

export type Problem = {
  /** urn:agentpg:problem:CODE; a code stays what it is. */
  type: string;
  title: string;
  status: number;
  detail: string;
  /** A JSON pointer into the body (#/a), ?parameter, or a header's name. */
  field?: string;
};

/** A server-sent event: `id`, `event` (here `type`) and `data` (JSON). Comments keep the connection alive. */
export type RunEvent =
  | EventRunQueued
  | EventRunStarted
  | EventTextDelta
  | EventRestarted
  | EventToolStarted
  | EventToolFinished
  | EventDelegationStarted
  | EventDelegationFinished
  | EventCompactionStarted
  | EventCompactionFinished
  | EventBatchSubmitted
  | EventApprovalRequested
  | EventApprovalDecided
  | EventRunCompleted
  | EventRunFailed
  | EventRunCancelled;

export type EventRunQueued = {
  /** Empty: there is nothing before it. */
  id: string;
  type: "run.queued";
  /** It waits for its session, or for room. */
  data: { runId: string; sessionId: string };
};

export type EventRunStarted = {
  /** For Last-Event-ID. */
  id: string;
  type: "run.started";
  data: { runId: string; sessionId: string };
};

export type EventTextDelta = {
  /** For Last-Event-ID. */
  id: string;
  type: "text.delta";
  data: { text: string };
};

export type EventRestarted = {
  /** For Last-Event-ID. */
  id: string;
  type: "restarted";
  /** Drop the text since the last tool call or the start: it comes again. */
  data: { reason: string };
};

export type EventToolStarted = {
  /** For Last-Event-ID. */
  id: string;
  type: "tool.started";
  data: { toolUseId: string; name: string };
};

export type EventToolFinished = {
  /** For Last-Event-ID. */
  id: string;
  type: "tool.finished";
  data: { toolUseId: string; name: string; isError: boolean };
};

export type EventDelegationStarted = {
  /** For Last-Event-ID. */
  id: string;
  type: "delegation.started";
  data: { toolUseId: string; agent: string };
};

export type EventDelegationFinished = {
  /** For Last-Event-ID. */
  id: string;
  type: "delegation.finished";
  data: { toolUseId: string; agent: string; isError: boolean };
};

export type EventCompactionStarted = {
  /** For Last-Event-ID. */
  id: string;
  type: "compaction.started";
  /** Only told live, as the one after it. */
  data: { tokens: number };
};

export type EventCompactionFinished = {
  /** For Last-Event-ID. */
  id: string;
  type: "compaction.finished";
  data: { outcome: "pruned" | "summarised" | "unchanged"; tokensBefore: number; tokensAfter: number };
};

export type EventBatchSubmitted = {
  /** For Last-Event-ID. */
  id: string;
  type: "batch.submitted";
  data: { submittedAt: string };
};

export type EventApprovalRequested = {
  /** For Last-Event-ID. */
  id: string;
  type: "approval.requested";
  /** A call waits for a person. */
  data: { toolUseId: string; name: string; input: unknown; expiresAt: string };
};

export type EventApprovalDecided = {
  /** For Last-Event-ID. */
  id: string;
  type: "approval.decided";
  /** Nobody is waited for any more. */
  data: {
    toolUseId: string;
    name: string;
    approved: boolean;
    /** The user who decided; null: nobody did in time. */
    by: string | null;
    /** Why it was denied; null: nobody said. */
    reason: string | null;
  };
};

export type EventRunCompleted = {
  /** For Last-Event-ID. */
  id: string;
  type: "run.completed";
  /** The last event. */
  data: {
    runId: string;
    state: "completed";
    response: string | null;
    stopReason: string | null;
    error: { type: string; message: string } | null;
    tokens: { input: number; output: number; cacheRead: number; cacheWrite: number };
    usd: number;
  };
};

export type EventRunFailed = {
  /** For Last-Event-ID. */
  id: string;
  type: "run.failed";
  /** The last event. */
  data: {
    runId: string;
    state: "failed";
    response: string | null;
    stopReason: string | null;
    error: { type: string; message: string } | null;
    tokens: { input: number; output: number; cacheRead: number; cacheWrite: number };
    usd: number;
  };
};

export type EventRunCancelled = {
  /** For Last-Event-ID. */
  id: string;
  type: "run.cancelled";
  /** The last event. */
  data: {
    runId: string;
    state: "cancelled";
    response: string | null;
    stopReason: string | null;
    error: { type: string; message: string } | null;
    tokens: { input: number; output: number; cacheRead: number; cacheWrite: number };
    usd: number;
  };
};
