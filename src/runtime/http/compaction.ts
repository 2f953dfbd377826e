import { type Request, type Response, Router } from "express";
import { compactSession, contextStats, type SessionCompaction } from "../compaction/compact-session.ts";
import { CountedContexts } from "../compaction/counted-contexts.ts";
import { SessionBusy } from "../compaction/idle-session.ts";
import { Problem } from "./problems.ts";
import type { RunRoutes } from "./runs.ts";
import { callerOf, ownSession, uuidParam } from "./sessions.ts";

/** Aborted when the caller goes away before it has its answer. */
function whileCallerWaits(res: Response): AbortSignal {
  const gone = new AbortController();
  res.once("close", () => gone.abort(new Problem(499, "the caller has gone away")));
  return gone.signal;
}

/** It may cost a model call, so it is admitted as a run is. @throws Problem 429, 503 */
function admit({ engine, load }: Pick<RunRoutes, "engine" | "load">): void {
  if (engine.draining) throw new Problem(503, "this process is about to end: try again", { "retry-after": "1" });
  const notNow = load.admit();
  if (notNow) throw new Problem(429, notNow.reason, { "retry-after": String(notNow.retryAfter) });
}

/** How full a session's context is, and compacting it before a run has to. */
export function compactionRoutes(host: SessionCompaction, routes: Pick<RunRoutes, "engine" | "load">): Router {
  const router = Router();
  const counted = new CountedContexts();
  const session = (req: Request, res: Response) =>
    ownSession(host.db, host.config.agent.name, uuidParam(req, "id", "session"), callerOf(res));
  router.get("/sessions/:id/context", async (req, res) => {
    res.json(await contextStats(host, await session(req, res), counted));
  });
  router.post("/sessions/:id/compact", async (req, res) => {
    const own = await session(req, res);
    admit(routes);
    try {
      res.json(await compactSession(host, own, whileCallerWaits(res)));
    } catch (error) {
      if (error instanceof SessionBusy) throw new Problem(409, `${error.message}: try again when it is done`);
      throw error;
    }
  });
  return router;
}
