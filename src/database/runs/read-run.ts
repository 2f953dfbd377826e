import { runPlace } from "../encryption/place.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import type { RunError, RunState, Tokens } from "./run.ts";

/** A run as its caller sees it. */
export interface RunView {
  id: string;
  sessionId: string;
  userId: string;
  agent: string;
  model: string;
  state: RunState;
  iteration: number;
  depth: number;
  parentRun: string | null;
  response: string | null;
  stopReason: string | null;
  error: RunError | null;
  tokens: Tokens;
  usd: string;
  cancelRequested: boolean;
  /** When the message batch was submitted that the run waits for. */
  batchSubmittedAt: string | null;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
}

interface Row extends Omit<RunView, "tokens" | "batchSubmittedAt" | "createdAt" | "startedAt" | "finishedAt"> {
  input: string;
  output: string;
  cacheRead: string;
  cacheWrite: string;
  batchSubmittedAt: Date | null;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

const SELECT = `
SELECT r.id, r.session_id AS "sessionId", s.user_id AS "userId", r.agent, r.model, r.state, r.iteration, r.depth,
       r.parent_run AS "parentRun", r.response, r.stop_reason AS "stopReason", r.error, r.usd,
       r.input_tokens AS input, r.output_tokens AS output, r.cache_read_tokens AS "cacheRead",
       r.cache_write_tokens AS "cacheWrite", r.cancel_requested AS "cancelRequested",
       CASE WHEN r.state = 'awaiting_batch' AND r.batch_id IS NOT NULL THEN r.batch_submitted_at END AS "batchSubmittedAt",
       r.created_at AS "createdAt", r.started_at AS "startedAt", r.finished_at AS "finishedAt"
FROM runs r JOIN sessions s ON s.id = r.session_id`;

function toView({ transcripts }: TranscriptDatabase, row: Row): RunView {
  const { input, output, cacheRead, cacheWrite, batchSubmittedAt, createdAt, startedAt, finishedAt, ...view } = row;
  const { id, response, error } = view;
  return {
    ...view,
    response: response === null ? null : transcripts.readText(response, runPlace("response", id)),
    error: transcripts.readJson(error, runPlace("error", id)) as RunError | null,
    tokens: {
      input: Number(input),
      output: Number(output),
      cacheRead: Number(cacheRead),
      cacheWrite: Number(cacheWrite),
    },
    batchSubmittedAt: batchSubmittedAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    finishedAt: finishedAt?.toISOString() ?? null,
  };
}

/** A run of this agent, whoever owns it: the caller checks. @throws TranscriptUnreadable */
export async function runById(db: TranscriptDatabase, id: string, agent: string): Promise<RunView | undefined> {
  const [row] = await db.query<Row>("run_by_id", `${SELECT} WHERE r.id = $1 AND r.agent = $2`, [id, agent]);
  return row && toView(db, row);
}

/** Runs of a session, the newest first. @param before the last id of the page before @throws TranscriptUnreadable */
export async function runsOfSession(
  db: TranscriptDatabase,
  sessionId: string,
  page: { limit: number; before: string | null; state: RunState | null },
): Promise<RunView[]> {
  const rows = await db.query<Row>(
    "runs_of_session",
    `${SELECT} WHERE r.session_id = $1 AND ($3::uuid IS NULL OR r.id < $3) AND ($4::text IS NULL OR r.state = $4)
     ORDER BY r.id DESC LIMIT $2`,
    [sessionId, page.limit, page.before, page.state],
  );
  return rows.map((row) => toView(db, row));
}
