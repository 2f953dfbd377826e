import { TranscriptUnreadable } from "../encryption/errors.ts";
import { readMessage } from "../encryption/messages.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import type { ContentBlock } from "../runs/run.ts";
import { isoTime } from "./time.ts";

/** A message as it was said; `content` is null when it is `withheld`, and that says why. */
export interface TranscriptLine {
  seq: number;
  runId: string;
  role: "user" | "assistant";
  createdAt: string;
  content: ContentBlock[] | null;
  withheld: string | null;
}

interface Row {
  seq: number;
  runId: string;
  role: "user" | "assistant";
  content: unknown;
  bytes: number;
  createdAt: Date;
}

/** The tenant's pods decide how large a message is, and the operator has to live. */
const MOST_BYTES = 131_072;

/** What was said, as it was said: where compaction has changed or removed a message, its original, for as long as that is kept. */
const SAID = `
SELECT seq, run_id AS "runId", role, octet_length(content::text) AS bytes, created_at AS "createdAt",
       CASE WHEN octet_length(content::text) <= ${MOST_BYTES} THEN content END AS content
FROM (
  SELECT seq, run_id, role, content, created_at FROM messages m
  WHERE session_id = $1 AND seq > $2
    AND NOT EXISTS (SELECT FROM message_archive a WHERE a.session_id = m.session_id AND a.seq = m.seq)
  UNION ALL
  SELECT seq, run_id, role, content, created_at FROM message_archive WHERE session_id = $1 AND seq > $2
) said ORDER BY seq LIMIT $3`;

/** Messages of a session after `after`, in order. What cannot be shown is told of, and the others are shown. */
export async function transcriptPage(
  db: TranscriptDatabase,
  sessionId: string,
  after: number,
  limit: number,
): Promise<TranscriptLine[]> {
  const rows = await db.query<Row>("console_transcript", SAID, [sessionId, after, limit]);
  return rows.map((row) => ({
    seq: row.seq,
    runId: row.runId,
    role: row.role,
    createdAt: isoTime(row.createdAt),
    ...readable(db, sessionId, row),
  }));
}

function readable(
  { transcripts }: TranscriptDatabase,
  sessionId: string,
  row: Row,
): Pick<TranscriptLine, "content" | "withheld"> {
  if (row.bytes > MOST_BYTES)
    return {
      content: null,
      withheld: `${Math.round(row.bytes / 1024)} KiB are too much to show here: agentpg export has it`,
    };
  try {
    const content: unknown = readMessage(transcripts, { ...row, sessionId });
    if (Array.isArray(content)) return { content: content as ContentBlock[], withheld: null };
    return { content: null, withheld: "it is not in the form in which agents write messages: agentpg export has it" };
  } catch (error) {
    if (error instanceof TranscriptUnreadable) return { content: null, withheld: error.message };
    throw error;
  }
}
