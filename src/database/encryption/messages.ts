import type { ContentBlock, Message } from "../runs/run.ts";
import type { TranscriptCipher } from "./cipher.ts";
import { TranscriptUnreadable } from "./errors.ts";
import { messagePlace } from "./place.ts";

/** A row of `messages` or `message_archive`, as far as it matters here. */
export interface MessageRow {
  sessionId: string;
  runId: string;
  seq: number;
  role: Message["role"];
  content: unknown;
}

const QUESTION = "question";

/** The question of a run as it is stored: its sequence number is not known yet. */
export function writeQuestion(cipher: TranscriptCipher, sessionId: string, runId: string, prompt: string): unknown {
  const content = [{ type: "text", text: prompt }];
  const stored = cipher.writeJson(content, messagePlace(sessionId, runId, "user", QUESTION));
  return cipher.encrypts ? { ...(stored as object), at: QUESTION } : stored;
}

export const writeMessage = (cipher: TranscriptCipher, row: MessageRow): unknown =>
  cipher.writeJson(row.content, messagePlace(row.sessionId, row.runId, row.role, row.seq));

const isQuestion = (content: unknown): boolean =>
  !Array.isArray(content) && (content as { at?: unknown } | null)?.at === QUESTION;

/** @throws TranscriptUnreadable */
export function readMessage(cipher: TranscriptCipher, row: MessageRow): ContentBlock[] {
  const seq = isQuestion(row.content) ? QUESTION : row.seq;
  return cipher.readJson(row.content, messagePlace(row.sessionId, row.runId, row.role, seq)) as ContentBlock[];
}

/**
 * A conversation from its beginning, in order, as the model gets it.
 * @throws TranscriptUnreadable, also when a question is not where it belongs
 */
export function readConversation(cipher: TranscriptCipher, rows: MessageRow[]): Message[] {
  const seen = new Set<string>();
  return rows.map((row) => {
    if (isQuestion(row.content) && seen.has(row.runId))
      throw new TranscriptUnreadable(`the question of run ${row.runId} was moved: it is not its first message`);
    seen.add(row.runId);
    return { role: row.role, content: readMessage(cipher, row) };
  });
}
