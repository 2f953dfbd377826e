/** One row a run and one row an event: the least that a durable run needs. */
export const BOUND_SCHEMA = `
  CREATE TABLE bound_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, session_id bigint NOT NULL, state smallint NOT NULL DEFAULT 0,
    worker int, leased_until timestamptz, question jsonb NOT NULL, usage jsonb,
    created_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz);
  CREATE INDEX bound_run_waiting ON bound_run (id) WHERE state = 0;
  CREATE INDEX bound_run_held ON bound_run (worker) WHERE state = 1;
  CREATE TABLE bound_event (
    session_id bigint NOT NULL, run_id bigint NOT NULL, seq int NOT NULL, body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (session_id, run_id, seq));`;

const message = (role: string, ...content: object[]) => JSON.stringify({ role, content });
const QUESTION = message("user", { type: "text", text: "Say something." });
const CALL = message("assistant", { type: "tool_use", id: "toolu_0000000001", name: "note", input: { n: 1 } });
const RESULT = message("user", { type: "tool_result", tool_use_id: "toolu_0000000001", content: "noted" });
const ANSWER = message("assistant", { type: "text", text: "All done." });
const USAGE = JSON.stringify({ input_tokens: 20, output_tokens: 3 });

/** A statement; `:name` is a variable. Where `gives` is there, its columns become variables. */
export interface BoundStatement {
  sql: string;
  gives?: string[];
}

const insertEvent = (seq: number, body: string) =>
  `INSERT INTO bound_event (session_id, run_id, seq, body) VALUES (:rsid, :rid, ${seq}, '${body}') ON CONFLICT DO NOTHING`;

/** One run: accepted, claimed with its history, its tool calls and results written, finished, read back. */
export function boundStatements(tools: number): BoundStatement[] {
  const accept = `WITH added AS (INSERT INTO bound_run (session_id, question) VALUES (:sid, '${QUESTION}') RETURNING id)
    SELECT added.id AS mine FROM added`;
  const claim = `WITH next AS (SELECT id FROM bound_run WHERE state = 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED),
    taken AS (UPDATE bound_run r SET state = 1, worker = :client_id, leased_until = now() + interval '30 s'
      FROM next WHERE r.id = next.id RETURNING r.id, r.session_id)
    SELECT coalesce(max(taken.id), :mine) AS rid, coalesce(max(taken.session_id), :sid) AS rsid,
      length(string_agg(h.body::text, '')) AS hist
    FROM (SELECT 1) one LEFT JOIN taken ON true LEFT JOIN LATERAL (SELECT body FROM bound_event e
      WHERE e.session_id = taken.session_id ORDER BY run_id DESC, seq DESC LIMIT 10) h ON true`;
  const finish = `WITH said AS (${insertEvent(99, ANSWER)}),
    done AS (UPDATE bound_run SET state = 2, usage = '${USAGE}', finished_at = now(), leased_until = NULL WHERE id = :rid RETURNING id)
    SELECT done.id FROM done`;
  const rounds = Array.from({ length: tools }, (_, n) => [
    { sql: insertEvent(2 * n + 1, CALL) },
    { sql: insertEvent(2 * n + 2, RESULT) },
  ]);
  return [
    { sql: accept, gives: ["mine"] },
    { sql: claim, gives: ["rid", "rsid", "hist"] },
    ...rounds.flat(),
    { sql: finish },
    { sql: "SELECT body FROM bound_event WHERE session_id = :rsid AND run_id = :rid AND seq = 99" },
  ];
}

/** Sessions that runs are spread over. */
export const BOUND_SESSIONS = 20_000;

/** The same for pgbench. */
export function boundScript(tools: number): string {
  const line = ({ sql, gives }: BoundStatement) => `${sql.replaceAll(/\s+/g, " ")}${gives ? " \\gset" : ";"}`;
  return [`\\set sid random(1, ${BOUND_SESSIONS})`, ...boundStatements(tools).map(line), ""].join("\n");
}
