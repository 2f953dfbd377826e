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
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
}

interface Row extends Omit<RunView, "tokens" | "createdAt" | "startedAt" | "finishedAt"> {
  input: string;
  output: string;
  cacheRead: string;
  cacheWrite: string;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

/** A run of this agent, whoever owns it: the caller checks. @throws TranscriptUnreadable */
export async function runById(db: TranscriptDatabase, id: string, agent: string): Promise<RunView | undefined> {
  const rows = await db.query<Row>(
    "run_by_id",
    `SELECT r.id, r.session_id AS "sessionId", s.user_id AS "userId", r.agent, r.model, r.state, r.iteration, r.depth,
            r.parent_run AS "parentRun", r.response, r.stop_reason AS "stopReason", r.error, r.usd,
            r.input_tokens AS input, r.output_tokens AS output, r.cache_read_tokens AS "cacheRead",
            r.cache_write_tokens AS "cacheWrite", r.cancel_requested AS "cancelRequested",
            r.created_at AS "createdAt", r.started_at AS "startedAt", r.finished_at AS "finishedAt"
     FROM runs r JOIN sessions s ON s.id = r.session_id
     WHERE r.id = $1 AND r.agent = $2`,
    [id, agent],
  );
  const [row] = rows;
  if (!row) return undefined;
  const { input, output, cacheRead, cacheWrite, createdAt, startedAt, finishedAt, ...view } = row;
  const { response, error } = view;
  return {
    ...view,
    response: response === null ? null : db.transcripts.readText(response, runPlace("response", id)),
    error: db.transcripts.readJson(error, runPlace("error", id)) as RunError | null,
    tokens: {
      input: Number(input),
      output: Number(output),
      cacheRead: Number(cacheRead),
      cacheWrite: Number(cacheWrite),
    },
    createdAt: createdAt.toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    finishedAt: finishedAt?.toISOString() ?? null,
  };
}
