import { executionPlace, runPlace } from "../encryption/place.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import type { RunError, RunState } from "./run.ts";

export interface ToolCallView {
  toolUseId: string;
  name: string;
  state: string;
  attempts: number;
  isError: boolean | null;
  input: unknown;
  startedAt: string;
  finishedAt: string | null;
  /** The run of the other agent, when the tool is one. */
  childRun: string | null;
}

/** A run with the runs that it asked other agents for. */
export interface RunNode {
  id: string;
  sessionId: string;
  agent: string;
  depth: number;
  state: RunState;
  task: string;
  response: string | null;
  error: RunError | null;
  iteration: number;
  tokens: number;
  /** US dollars, of this run alone. */
  usd: string;
  /** US dollars, with all that it asked for. */
  totalUsd: string;
  createdAt: string;
  finishedAt: string | null;
  toolCalls: ToolCallView[];
  children: RunNode[];
}

interface Row {
  id: string;
  session_id: string;
  agent: string;
  depth: number;
  state: RunState;
  prompt: string;
  response: string | null;
  error: unknown;
  iteration: number;
  tokens: string;
  usd: string;
  parent_run: string | null;
  created_at: Date;
  finished_at: Date | null;
  calls: (Omit<ToolCallView, "input"> & { input: unknown })[] | null;
}

/** Runs of a tree at most: a deeper or wider one is cut, and says so by `null`. */
const MOST_RUNS = 1000;

const TREE = `
WITH RECURSIVE tree AS (
  SELECT r.*, ARRAY[r.id] AS path FROM runs r WHERE r.id = $1
  UNION ALL
  SELECT r.*, tree.path || r.id FROM tree JOIN runs r ON r.parent_run = tree.id WHERE NOT r.id = ANY(tree.path)
)
SELECT id, session_id, agent, depth, state, prompt, response, error, iteration, usd, parent_run, created_at, finished_at,
       input_tokens + output_tokens + cache_read_tokens + cache_write_tokens AS tokens,
       (SELECT json_agg(json_build_object('toolUseId', t.tool_use_id, 'name', t.name, 'state', t.state, 'attempts', t.attempts,
          'isError', t.is_error, 'input', t.input, 'startedAt', t.started_at, 'finishedAt', t.finished_at, 'childRun', t.child_run)
          ORDER BY t.started_at, t.tool_use_id)
        FROM tool_executions t WHERE t.run_id = tree.id) AS calls
FROM tree ORDER BY id LIMIT $2`;

/** The tree of runs below a run, whoever owns it: the caller checks. Undefined when it is too large. @throws TranscriptUnreadable */
export async function runTree(db: TranscriptDatabase, root: string): Promise<RunNode | undefined> {
  const rows = await db.query<Row>("run_tree", TREE, [root, MOST_RUNS + 1]);
  if (rows.length > MOST_RUNS) return undefined;
  const childrenOf = Map.groupBy(rows, (it) => it.parent_run);
  const build = (row: Row): RunNode => {
    const children = (childrenOf.get(row.id) ?? []).map(build);
    return { ...nodeOf(db, row), children, totalUsd: totalOf(row, children) };
  };
  const top = rows.find((it) => it.id === root);
  return top && build(top);
}

/** Hundred-millionths of a dollar as a decimal string: sums of money are not made in binary fractions. */
function totalOf(row: Row, children: RunNode[]): string {
  const units = (usd: string) => BigInt(Math.round(Number(usd) * 1e8));
  const sum = children.reduce((total, it) => total + units(it.totalUsd), units(row.usd));
  const text = sum.toString().padStart(9, "0");
  return `${text.slice(0, -8)}.${text.slice(-8)}`;
}

function nodeOf({ transcripts }: TranscriptDatabase, row: Row): Omit<RunNode, "children" | "totalUsd"> {
  const { id } = row;
  return {
    id,
    sessionId: row.session_id,
    agent: row.agent,
    depth: row.depth,
    state: row.state,
    task: transcripts.readText(row.prompt, runPlace("prompt", id)),
    response: row.response === null ? null : transcripts.readText(row.response, runPlace("response", id)),
    error: transcripts.readJson(row.error, runPlace("error", id)) as RunError | null,
    iteration: row.iteration,
    tokens: Number(row.tokens),
    usd: row.usd,
    createdAt: row.created_at.toISOString(),
    finishedAt: row.finished_at?.toISOString() ?? null,
    toolCalls: (row.calls ?? []).map((it) => ({
      ...it,
      input: transcripts.readJson(it.input, executionPlace("input", id, it.toolUseId)),
    })),
  };
}
