import { LONG_ANSWER_MS, type Queryable } from "./database.ts";
import type { Tokens } from "./run.ts";

/** Spend that belongs together. */
export interface UsageLine {
  /** The UTC day, the agent's or the model's name, or the user's id. */
  key: string;
  runs: number;
  tokens: Tokens;
  /** US dollars as a decimal. */
  usd: string;
}
export type UsageGroup = "day" | "agent" | "model" | "user";

/** UTC days, the first and the last. */
export interface Days {
  from: string;
  to: string;
}

interface Row {
  key: string;
  runs: string;
  input: string;
  output: string;
  cacheRead: string;
  cacheWrite: string;
  usd: string;
}

const toLine = ({ key, runs, usd, input, output, cacheRead, cacheWrite }: Row): UsageLine => ({
  key,
  runs: Number(runs),
  tokens: {
    input: Number(input),
    output: Number(output),
    cacheRead: Number(cacheRead),
    cacheWrite: Number(cacheWrite),
  },
  usd,
});

const sums = (of: string): string => `
  sum(${of}.input_tokens) AS input, sum(${of}.output_tokens) AS output, sum(${of}.cache_read_tokens) AS "cacheRead",
  sum(${of}.cache_write_tokens) AS "cacheWrite", sum(${of}.usd)::text AS usd`;

const KEY_OF_RUN: Record<UsageGroup, string> = {
  day: "to_char(r.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
  agent: "r.agent",
  model: "r.model",
  user: "s.user_id",
};
/** Lines that one answer has at most: only users can be more, and then those that spent most are given. */
const MOST_LINES = 1000;

/**
 * What runs have used that were over on these days, with the runs that they asked other agents for; for as long as sessions are
 * kept. With a user, only that user's own.
 */
export async function usageOfRuns(
  db: Queryable,
  group: UsageGroup,
  { from, to, userId }: Days & { userId: string | null },
): Promise<UsageLine[]> {
  const rows = await db.query<Row>(
    `usage_of_runs_by_${group}${userId === null ? "" : "_of_user"}`,
    `SELECT * FROM (
       SELECT ${KEY_OF_RUN[group]} AS key, count(*) AS runs, ${sums("r")}
       FROM sessions s JOIN runs r ON r.session_id = s.id
       WHERE r.finished_at >= $1::date::timestamp AT TIME ZONE 'UTC'
         AND r.finished_at < ($2::date + 1)::timestamp AT TIME ZONE 'UTC' ${userId === null ? "" : "AND s.user_id = $3"}
       GROUP BY 1 ORDER BY sum(r.usd) DESC LIMIT ${MOST_LINES}
     ) most ORDER BY key`,
    userId === null ? [from, to] : [from, to, userId],
    LONG_ANSWER_MS,
  );
  return rows.map(toLine);
}

/** The tenant's settled spend, which stays when runs are removed; counted on the day when it was spent. */
export async function usageOfTenant(
  db: Queryable,
  group: Exclude<UsageGroup, "user">,
  { from, to }: Days,
): Promise<UsageLine[]> {
  const rows = await db.query<Row>(
    `usage_of_tenant_by_${group}`,
    `SELECT ${group === "day" ? "to_char(u.day, 'YYYY-MM-DD')" : `u.${group}`} AS key, sum(u.runs) AS runs, ${sums("u")}
     FROM usage_daily u WHERE u.day >= $1::date AND u.day <= $2::date GROUP BY 1 ORDER BY 1`,
    [from, to],
  );
  return rows.map(toLine);
}
