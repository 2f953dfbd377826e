/** Where a value is stored: the column, and what names the row. A ciphertext opens at its own place only. */
export type Place = readonly [column: string, ...row: (string | number)[]];

export const runPlace = (column: "prompt" | "response" | "error" | "variables", run: string): Place => [
  `runs.${column}`,
  run,
];

export const executionPlace = (column: "input" | "output", run: string, toolUse: string): Place => [
  `tool_executions.${column}`,
  run,
  toolUse,
];

/**
 * A message keeps its place when it is archived. The question of a run gets its number from the database by the statement that
 * writes it, so it is bound to its run and being the question instead; who reads a conversation sees that it comes first.
 */
export const messagePlace = (session: string, run: string, role: string, seq: number | "question"): Place => [
  "messages.content",
  session,
  run,
  role,
  seq,
];

/** The tool input in an audit record, bound to all else that the record says. */
export const auditPlace = (rest: object): Place => ["audit.record.input", JSON.stringify(rest)];
