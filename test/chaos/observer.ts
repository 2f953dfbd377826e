import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";

/** A superuser's look into the tenant's tables, past the proxies. What a restart of the server breaks is asked again. */
export class Observer {
  readonly #pool: Pool;
  readonly #schema: string;

  constructor(superuser: ConnectionSettings, schema: string) {
    this.#pool = new Pool({ ...clientOptions(superuser, "chaos observer"), max: 4 });
    this.#pool.on("error", () => {});
    this.#pool.on("connect", (client) => client.on("error", () => {})); // one in use breaks: its query says so
    this.#schema = schema;
  }

  async rows<Row = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row[]> {
    const deadline = Date.now() + 60_000;
    const sql = text.replaceAll(/\b(FROM|JOIN) (?!unnest)(\w+)/g, `$1 ${this.#schema}.$2`);
    for (;;) {
      try {
        return (await this.#pool.query(sql, values)).rows as Row[];
      } catch (error) {
        // Syntax errors and the like are ours.
        if ((error as { code?: string }).code?.startsWith("42") || Date.now() > deadline) throw error;
        await sleep(50);
      }
    }
  }

  /** All that the tables say of a run that does not end. */
  async stuck(run: string): Promise<unknown> {
    const [row] = await this.rows(
      `SELECT r.id, r.agent, r.state, r.prompt, r.fence, r.step, r.iteration, r.wake_at, r.deadline, r.cancel_requested, now() - r.created_at AS age,
              w.report->>'pod' AS pod, w.expires_at - now() AS lease FROM runs r LEFT JOIN workers w ON w.id = r.lease_owner WHERE r.id = $1`,
      [run],
    );
    const calls = await this.rows(
      "SELECT name, state, attempts, child_run, now() - started_at AS age FROM tool_executions WHERE run_id = $1",
      [run],
    );
    const messages = await this.rows(
      "SELECT seq, role, now() - created_at AS age FROM messages WHERE run_id = $1 ORDER BY seq",
      [run],
    );
    return { ...row, calls, messages };
  }

  /** Seconds from now until all that a dead process worked on is worked on by another, or done. */
  async recovery(pod: string): Promise<number> {
    const since = performance.now();
    const held =
      "SELECT 1 FROM runs r JOIN workers w ON w.id = r.lease_owner WHERE w.report->>'pod' = $1 AND r.state = 'running'";
    while ((await this.rows(held, [pod])).length > 0 && performance.now() - since < 120_000) await sleep(50);
    return (performance.now() - since) / 1000;
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}
