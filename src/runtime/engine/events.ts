import type { FinalState, RunError, Tokens } from "../../database/runs/run.ts";

/** What a client hears of a run. */
export type RunEvent =
  | { type: "run.queued"; data: { runId: string; sessionId: string } }
  | { type: "run.started"; data: { runId: string; sessionId: string } }
  | { type: "text.delta"; data: { text: string } }
  /** The text since the last tool call or start is void: the model is asked again. */
  | { type: "restarted"; data: { reason: string } }
  | { type: "tool.started"; data: { toolUseId: string; name: string } }
  | { type: "tool.finished"; data: { toolUseId: string; name: string; isError: boolean } }
  | { type: "delegation.started"; data: { toolUseId: string; agent: string } }
  | { type: "delegation.finished"; data: { toolUseId: string; agent: string; isError: boolean } }
  /** The conversation has become too long and is being shortened. Only told live, as the one after it. */
  | { type: "compaction.started"; data: { tokens: number } }
  | { type: "compaction.finished"; data: CompactionResult }
  /** The answer comes with a message batch. Told again when it needs another one, and to whoever begins to listen. */
  | { type: "batch.submitted"; data: { submittedAt: string } }
  /** A call waits for a person; told again to whoever begins to listen while it does. */
  | { type: "approval.requested"; data: ApprovalRequest }
  /** Nobody is waited for any more: somebody has decided, or the time is over. Told before the call's result. */
  | { type: "approval.decided"; data: ApprovalDecision }
  | { type: `run.${FinalState}`; data: RunResult };

export interface CompactionResult {
  /** `unchanged`: what could be taken out was no gain, or the summary could not be had. */
  outcome: "pruned" | "summarised" | "unchanged";
  /** About how many tokens the context had, and has. */
  tokensBefore: number;
  tokensAfter: number;
}

export interface ApprovalRequest {
  toolUseId: string;
  name: string;
  input: unknown;
  expiresAt: string;
}

export interface ApprovalDecision {
  toolUseId: string;
  name: string;
  approved: boolean;
  /** The user; null: nobody decided in time. */
  by: string | null;
  /** Of a denial, when one was given. */
  reason: string | null;
}

export interface RunResult {
  runId: string;
  state: FinalState;
  response: string | null;
  stopReason: string | null;
  error: RunError | null;
  tokens: Tokens;
  usd: number;
}

/**
 * Where a listener is: it has all messages up to `seq` (numbers of the session), and `part` pieces of what comes next; from
 * {@link BLOCKS} on, `part - BLOCKS` whole blocks of the message that comes next. Blocks are the same wherever they are told from,
 * pieces are not. As the id of a server-sent event: `seq` or `seq.part`.
 */
export interface Position {
  seq: number;
  part: number;
}
/** More pieces than any message has. */
const BLOCKS = 1_000_000;

/** How many blocks of the message after `seq` are told; undefined when it is not known in blocks. */
export const blocksTold = ({ part }: Position): number | undefined => (part >= BLOCKS ? part - BLOCKS : undefined);

/** An event that a message tells with one of its blocks. */
export interface BlockEvent {
  event: RunEvent;
  /** The block's index in the content. */
  block: number;
}

/** What a message tells, in the order of its blocks: who has the last of it has the message. */
export function placedBlocks(seq: number, events: BlockEvent[]): PlacedEvent[] {
  const inOrder = events.toSorted((a, b) => a.block - b.block);
  return inOrder.map(({ event, block }, i) => ({
    ...event,
    at: i === inOrder.length - 1 ? { seq, part: 0 } : { seq: seq - 1, part: BLOCKS + block + 1 },
  }));
}
export type PlacedEvent = RunEvent & { at: Position };

export const eventId = ({ seq, part }: Position): string => (part ? `${seq}.${part}` : `${seq}`);

export function parseEventId(id: string | undefined): Position | undefined {
  const [, seq, part] = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(id ?? "") ?? [];
  return seq === undefined ? undefined : { seq: Number(seq), part: Number(part ?? 0) };
}

export const isFinalEvent = (event: RunEvent): boolean => /^run\.(completed|failed|cancelled)$/.test(event.type);

type Listener = (event: PlacedEvent | undefined) => void;

/** The events of one run while this process works on it. */
export class RunChannel {
  readonly #listeners = new Set<Listener>();
  /** Events since the last committed message: what the database cannot tell a late listener. */
  #recent: PlacedEvent[] = [];
  #at: Position;
  /** The answer is whole and is being stored: the end of the run is near. */
  isEnding = false;

  constructor(lastSeq: number) {
    this.#at = { seq: lastSeq, part: 0 };
  }

  /** The last committed message. */
  get committed(): number {
    return this.#at.seq;
  }

  /** A piece of a message that is not stored yet. */
  part(event: RunEvent): void {
    this.#at = { seq: this.#at.seq, part: this.#at.part + 1 };
    this.#send({ ...event, at: this.#at }, true);
  }

  /** All up to this message is stored. */
  commit(seq: number): void {
    if (seq === this.#at.seq) return;
    this.#at = { seq, part: 0 };
    this.#recent = [];
  }

  /** Something that the stored messages tell as well. */
  tell(event: RunEvent): void {
    this.#send({ ...event, at: this.#at }, false);
  }

  /** What the message tells that was committed last. */
  tellBlocks(events: BlockEvent[]): void {
    for (const event of placedBlocks(this.#at.seq, events)) this.#send(event, false);
  }

  /** What the message after the last committed one will tell, when it is there, once more. */
  tellAhead(event: RunEvent): void {
    this.#send({ ...event, at: { seq: this.#at.seq, part: BLOCKS } }, false);
  }

  #send(event: PlacedEvent, keep: boolean): void {
    if (keep) this.#recent.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  /** Hears the pieces of the message under way, then everything; `undefined`: this process no longer works on the run. */
  listen(listener: Listener): () => void {
    for (const event of this.#recent) listener(event);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    for (const listener of this.#listeners) listener(undefined);
    this.#listeners.clear();
  }
}
