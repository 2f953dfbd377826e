/** States of a run (design, §5). The last three are final. */
export const RUN_STATES = [
  "pending",
  "running",
  "awaiting_agent",
  "awaiting_approval",
  "awaiting_batch",
  "completed",
  "failed",
  "cancelled",
] as const;
export type RunState = (typeof RUN_STATES)[number];
export type FinalState = "completed" | "failed" | "cancelled";

export const isFinal = (state: RunState): state is FinalState =>
  state === "completed" || state === "failed" || state === "cancelled";

/** The states of a run that is not over, as SQL's IN takes them; the partial indexes of the migrations are made for this list. */
export const OPEN_STATES = `(${RUN_STATES.filter((it) => !isFinal(it))
  .map((it) => `'${it}'`)
  .join(", ")})`;

/** A content block of the Messages API; fields that we do not know are kept as they came. */
export interface ContentBlock {
  type: string;
  [field: string]: unknown;
}

export interface Message {
  role: "user" | "assistant";
  content: ContentBlock[];
}

export interface StoredMessage extends Message {
  seq: number;
  runId: string;
  createdAt: string;
}

export interface RunError {
  type: string;
  message: string;
}

export interface Tokens {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
}

export const NO_TOKENS: Readonly<Tokens> = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

export const tokensInAll = ({ input, output, cacheRead, cacheWrite }: Tokens): number =>
  input + output + cacheRead + cacheWrite;

/** What a worker has to know of a run that it holds. */
export interface ClaimedRun {
  id: string;
  sessionId: string;
  /** Grows with every claim; writes with an older one are refused. */
  fence: number;
  /** Number of the last write under this fence. */
  step: number;
  iteration: number;
  depth: number;
  userId: string;
  /** What the caller gave with the question, for the tools. */
  variables: Record<string, unknown> | null;
  /** The state that it was taken out of. */
  state: RunState;
  /** The message batch that its answer is in, when it waited for one. */
  batchGroup: string | null;
  batchId: string | null;
  cancelRequested: boolean;
  /** Milliseconds since the epoch. */
  deadline: number;
  tokens: Tokens;
  usd: number;
  /** Where it was asked for, as a traceparent; null: nobody traced that. */
  trace: string | null;
}

/** A run out of the queue, or taken over. */
export interface QueuedRun extends Omit<ClaimedRun, "variables"> {
  /** As the database has it: whether it can be read is found out when the conversation is opened. */
  storedPrompt: string;
  storedVariables: unknown;
}

/** A conversation as the model gets it, and where it goes on. */
export interface Conversation {
  messages: Message[];
  /** Sequence number of the last message. */
  lastSeq: number;
}

export interface ToolExecution {
  toolUseId: string;
  name: string;
  /** What it is called with: as the model wrote it, or as a hook changed it; what a person was shown. */
  input: unknown;
  /** `approved`: somebody said yes, and it has not run yet. */
  state: "awaiting_approval" | "approved" | "running" | "completed" | "failed";
  attempts: number;
  isError: boolean | null;
  output: string | null;
  idempotencyKey: string;
  /** While it waits for a person: seconds until nobody is waited for any more; negative when that is over. */
  approvalSecondsLeft: number | null;
  childRun: string | null;
  /** Of the child run, when there is one. */
  childState: RunState | null;
  /** It is to be cancelled: nobody waits for it any more. */
  childGivenUp: boolean;
  childResponse: string | null;
  childError: RunError | null;
}

/** What is known of a call without its texts, which may be encrypted. */
export type UnreadExecution = Omit<ToolExecution, "input" | "output" | "childResponse" | "childError">;
