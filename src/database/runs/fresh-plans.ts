import type { ClientBase } from "pg";

const FIRST_MS = 4000;
const LONGEST_MS = 60_000;

interface Planned {
  at: number;
  /** How long the plans are kept, in milliseconds. */
  keepMs: number;
}
const planned = new WeakMap<ClientBase, Planned>();

/**
 * Throws a connection's plans away when they are old, so that the next statements are planned for the tables as they are now.
 * A plan that was made while a table was as good as empty reads all of it, and Postgres keeps it until the table is
 * analyzed again: minutes in which a run's write takes ten times as long, or more.
 */
export async function withFreshPlans(client: ClientBase, now = Date.now()): Promise<void> {
  const plans = planned.get(client);
  if (plans && now - plans.at < plans.keepMs) return;
  planned.set(client, { at: now, keepMs: plans ? Math.min(plans.keepMs * 2, LONGEST_MS) : FIRST_MS });
  if (plans) await client.query("DISCARD PLANS");
}
