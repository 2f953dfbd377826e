import type { TranscriptCipher } from "./cipher.ts";
import { readMessage } from "./messages.ts";
import { executionPlace, runPlace } from "./place.ts";

type Row = Record<string, unknown>;

const message = (cipher: TranscriptCipher, row: Row): Row => ({
  ...row,
  content: readMessage(cipher, {
    sessionId: String(row["session_id"]),
    runId: String(row["run_id"]),
    seq: Number(row["seq"]),
    role: row["role"] as "user" | "assistant",
    content: row["content"],
  }),
});

const run = (cipher: TranscriptCipher, row: Row): Row => {
  const id = String(row["id"]);
  const text = (column: "prompt" | "response") =>
    typeof row[column] === "string" ? cipher.readText(row[column], runPlace(column, id)) : row[column];
  const json = (column: "variables" | "error") => cipher.readJson(row[column], runPlace(column, id));
  return {
    ...row,
    prompt: text("prompt"),
    response: text("response"),
    variables: json("variables"),
    error: json("error"),
  };
};

const execution = (cipher: TranscriptCipher, row: Row): Row => {
  const place = (column: "input" | "output") =>
    executionPlace(column, String(row["run_id"]), String(row["tool_use_id"]));
  const output = row["output"];
  return {
    ...row,
    input: cipher.readJson(row["input"], place("input")),
    output: typeof output === "string" ? cipher.readText(output, place("output")) : output,
  };
};

const READERS: Record<string, (cipher: TranscriptCipher, row: Row) => Row> = {
  run,
  message,
  archived_message: message,
  tool_execution: execution,
};

/**
 * A row of the tenant's tables, as the database has it, made readable. Audit rows stay as they are: their hashes are over the
 * text as it is stored.
 * @param type what kind of row it is, as an export calls it
 * @throws TranscriptUnreadable
 */
export const decodeRow = (cipher: TranscriptCipher, type: string, row: Row): Row => READERS[type]?.(cipher, row) ?? row;
