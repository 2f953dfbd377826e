import type { ConsoleRunNode } from "../../api/console.ts";
import type { Queryable } from "../runs/database.ts";
import { isoTime, isoTimeOrNull } from "./time.ts";

interface Row extends Omit<ConsoleRunNode, "tokens" | "createdAt" | "finishedAt" | "tools" | "children"> {
  parentRun: string | null;
  level: number;
  tokens: string;
  createdAt: Date;
  finishedAt: Date | null;
  tools: ConsoleRunNode["tools"] | null;
}

/** Runs at the top, and runs in all: a session may have thousands, and what they asked for too. */
const MOST_TOP = 50;
const MOST_RUNS = 500;
const MOST_TOOLS = 50;

/** `level` is 1 at the top; what is too deep to have been made by agents (their limit is 20) is not followed. */
const TREE = `
WITH RECURSIVE tree AS (
  (SELECT id, 1 AS level FROM runs WHERE session_id = $1 ORDER BY id DESC LIMIT ${MOST_TOP + 1})
  UNION ALL
  SELECT r.id, tree.level + 1 FROM tree JOIN runs r ON r.parent_run = tree.id WHERE tree.level < 25
), cut AS (SELECT id, min(level) AS level FROM tree GROUP BY id ORDER BY level, id DESC LIMIT ${MOST_RUNS + 1})
SELECT r.id, r.session_id AS "sessionId", left(r.agent, 253) AS agent, r.state, r.iteration, r.usd::text AS usd, r.parent_run AS "parentRun",
       cut.level, r.input_tokens + r.output_tokens + r.cache_read_tokens + r.cache_write_tokens AS tokens,
       r.created_at AS "createdAt", r.finished_at AS "finishedAt",
       (SELECT json_agg(json_build_object('name', left(t.name, 128), 'state', t.state, 'childRun', t.child_run))
        FROM (SELECT name, state, child_run FROM tool_executions WHERE run_id = r.id ORDER BY started_at, tool_use_id LIMIT ${MOST_TOOLS}) t) AS tools
FROM cut JOIN runs r ON r.id = cut.id ORDER BY r.id`;

/** The newest runs of a session with all that they asked other agents for, and what they called: names, states, cost, no content. */
export async function delegationOf(
  db: Queryable,
  sessionId: string,
): Promise<{ runs: ConsoleRunNode[]; cut: boolean }> {
  const rows = await db.query<Row>("console_delegation", TREE, [sessionId]);
  const top = rows.filter((it) => it.level === 1);
  const childrenOf = Map.groupBy(rows, (it) => it.parentRun);
  const cut = top.length > MOST_TOP || rows.length > MOST_RUNS;
  return { runs: top.slice(-MOST_TOP).map((row) => node(row, childrenOf)), cut };
}

function node(row: Row, childrenOf: Map<string | null, Row[]>): ConsoleRunNode {
  const { parentRun: _parent, level, tokens, createdAt, finishedAt, tools, ...rest } = row;
  const below = (childrenOf.get(row.id) ?? []).filter((it) => it.level > level); // a circle, which no agent makes, ends here
  return {
    ...rest,
    tokens: Number(tokens),
    createdAt: isoTime(createdAt),
    finishedAt: isoTimeOrNull(finishedAt),
    tools: tools ?? [],
    children: below.map((it) => node(it, childrenOf)),
  };
}
