import { z } from "zod";
import type { ConsoleLiveRun, ConsolePage, ConsoleSession, ConsoleSessionDetail } from "../../api/console.ts";
import { delegationOf } from "../../database/console/delegation.ts";
import { liveRuns } from "../../database/console/live-runs.ts";
import { consoleSession, sessionOfRun, sessionsPage } from "../../database/console/sessions.ts";
import type { Route } from "./call.ts";
import { checked, queryOf } from "./input.ts";
import { notFound } from "./problem.ts";
import type { TenantData } from "./tenant-data.ts";

const LIVE_RUNS = 100;
const page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  before: z.uuid("must be the id of a session").optional(),
  agent: z.string().min(1).max(253).optional(),
  user: z.string().min(1).max(1024).optional(),
});
const sessionId = z.uuid("must be the id of a session, a UUID");

export const sessionParam = (params: Readonly<Record<string, string>>): string =>
  checked(sessionId, params["session"]).toLowerCase();

export const noSuchSession = () =>
  notFound(
    "session",
    "it may have been erased, or retention has removed it (spec.retention.sessionDays of the Tenant)",
  );

/** Who talked with which agent when, what it took and what it cost; nothing of what was said. */
export function sessionRoutes(data: TenantData): Route[] {
  return [
    {
      method: "GET",
      path: "/tenants/:tenant/sessions",
      right: "sessions",
      async answer({ params, query }): Promise<ConsolePage<ConsoleSession, string>> {
        const { limit, before = null, agent = null, user = null } = queryOf(page, query);
        const items = await data.rows(params["tenant"] ?? "", "listing sessions", (db) =>
          sessionsPage(db, { limit, before, agent, user }),
        );
        return { items, next: items.length === limit ? (items.at(-1)?.id ?? null) : null };
      },
    },
    {
      method: "GET",
      path: "/tenants/:tenant/sessions/:session",
      right: "sessions",
      async answer({ params }): Promise<ConsoleSessionDetail> {
        const id = sessionParam(params);
        const found = await data.rows(params["tenant"] ?? "", "reading a session", async (db) => {
          const session = await consoleSession(db, id);
          if (!session) return undefined;
          const parentSession = session.parentRun ? ((await sessionOfRun(db, session.parentRun)) ?? null) : null;
          return { session, parentSession, ...(await delegationOf(db, id)) };
        });
        if (!found) throw noSuchSession();
        return found;
      },
    },
    {
      method: "GET",
      path: "/tenants/:tenant/runs",
      right: "sessions",
      async answer({ params }): Promise<{ items: ConsoleLiveRun[] }> {
        return { items: await data.rows(params["tenant"] ?? "", "listing live runs", (db) => liveRuns(db, LIVE_RUNS)) };
      },
    },
  ];
}
