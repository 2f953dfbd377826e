import { readFile } from "node:fs/promises";
import { run } from "../database/fixture.ts";
import type { TestPostgres } from "../support/postgres.ts";

/** From this line to the end of its block in docs/security.md: what is tested is what people are told to run. */
async function documented(firstLine: string): Promise<string> {
  const [, sql] = (await readFile("docs/security.md", "utf8")).split(`${firstLine}\n`);
  if (sql === undefined) throw new Error(`docs/security.md has no line ${JSON.stringify(firstLine)}`);
  return sql.slice(0, sql.indexOf("```"));
}

/** The server as docs/security.md asks for it, before a database of an operator is made. */
export async function harden(postgres: TestPostgres): Promise<void> {
  const perDatabase = await documented("-- In template1, and in each database that is there already:");
  await run(postgres.adminSettings("template1"), perDatabase);
  await run(postgres.adminSettings(), await documented("-- Close them to PUBLIC:"));
}
