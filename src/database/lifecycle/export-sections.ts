type Row = Record<string, unknown>;

/** One kind of rows of an export. `$1`: the sessions, or null for all. */
export interface ExportSection {
  /** The `type` of its lines. */
  type: string;
  from: string;
  where: string;
  order: string;
  /** Names of the lines' fields that tell a row from others. */
  key: string[];
  /** Columns as they are called in the lines. */
  columns: Record<string, string>;
  /** Only of a whole tenant: there is no `$1`. */
  wholeTenantOnly?: boolean;
}

const tokens = {
  inputTokens: "input_tokens",
  outputTokens: "output_tokens",
  cacheReadTokens: "cache_read_tokens",
  cacheWriteTokens: "cache_write_tokens",
  usd: "usd",
};

const inSessions = (column: string): string => `($1::uuid[] IS NULL OR ${column} = ANY($1))`;

const message = {
  sessionId: "session_id",
  seq: "seq",
  runId: "run_id",
  role: "role",
  content: "content",
  createdAt: "created_at",
};

/** In this order: what a line refers to comes before it. */
export const EXPORT_SECTIONS: readonly ExportSection[] = [
  {
    type: "session",
    from: "sessions a",
    where: inSessions("a.id"),
    order: "a.id",
    key: ["id"],
    columns: {
      id: "id",
      agent: "agent",
      userId: "user_id",
      parentRun: "parent_run",
      metadata: "metadata",
      createdAt: "created_at",
    },
  },
  {
    type: "run",
    from: "runs a",
    where: inSessions("a.session_id"),
    order: "a.id",
    key: ["id"],
    columns: {
      id: "id",
      sessionId: "session_id",
      agent: "agent",
      state: "state",
      model: "model",
      prompt: "prompt",
      variables: "variables",
      response: "response",
      stopReason: "stop_reason",
      error: "error",
      iteration: "iteration",
      depth: "depth",
      parentRun: "parent_run",
      parentToolUse: "parent_tool_use",
      idempotencyKey: "idempotency_key",
      ...tokens,
      createdAt: "created_at",
      startedAt: "started_at",
      finishedAt: "finished_at",
    },
  },
  {
    type: "message",
    from: "messages a",
    where: inSessions("a.session_id"),
    order: "a.session_id, a.seq",
    key: ["sessionId", "seq"],
    columns: message,
  },
  {
    type: "archived_message",
    from: "message_archive a",
    where: inSessions("a.session_id"),
    order: "a.session_id, a.seq",
    key: ["sessionId", "seq"],
    columns: { ...message, archivedAt: "archived_at" },
  },
  {
    type: "tool_execution",
    from: "tool_executions a",
    where: "($1::uuid[] IS NULL OR a.run_id IN (SELECT id FROM runs WHERE session_id = ANY($1)))",
    order: "a.run_id, a.tool_use_id",
    key: ["runId", "toolUseId"],
    columns: {
      runId: "run_id",
      toolUseId: "tool_use_id",
      name: "name",
      state: "state",
      attempts: "attempts",
      isError: "is_error",
      input: "input",
      output: "output",
      idempotencyKey: "idempotency_key",
      childRun: "child_run",
      startedAt: "started_at",
      finishedAt: "finished_at",
    },
  },
  {
    type: "usage",
    // As text: node-postgres makes a date the midnight of this machine's time zone.
    from: "(SELECT day::text AS day_text, * FROM usage_daily) a",
    where: "true",
    order: "a.day, a.agent, a.model",
    key: ["day", "agent", "model"],
    columns: { day: "day_text", agent: "agent", model: "model", runs: "runs", ...tokens },
    wholeTenantOnly: true,
  },
  {
    type: "audit",
    from: "audit a",
    where: "true",
    order: "a.seq",
    key: ["seq"],
    columns: { seq: "seq", at: "at", prevHash: "prev_hash", hash: "hash", record: "record" },
    wholeTenantOnly: true,
  },
];

/** SQL for what tells a row from others. Texts are cut: the tenant's login decides how long they are. */
export const keySql = ({ key, columns }: ExportSection): string =>
  `json_build_object(${key.map((name) => `'${name}', left(a.${columns[name]}::text, 256)`).join(", ")})`;

/** Counts that node-postgres gives as text because they are 64 bits wide; ours fit into a number. */
const COUNTS = new Set(["seq", "runs", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"]);

/** The row as a line of the export: times in ISO 8601 (UTC), hashes in hex, money as a decimal string. */
export function exportLine(section: ExportSection, row: Row): { type: string } & Row {
  const line: { type: string } & Row = { type: section.type };
  for (const [name, column] of Object.entries(section.columns)) {
    const value = row[column];
    if (Buffer.isBuffer(value)) line[name] = value.toString("hex");
    else line[name] = COUNTS.has(name) && value !== null ? Number(value) : value;
  }
  return line;
}
