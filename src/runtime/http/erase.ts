import { Router } from "express";
import type { AgentConfig } from "../../api/agent-config.ts";
import { eraseSession } from "../../database/runs/erase-session.ts";
import { auditLine } from "../engine/audit.ts";
import { Problem } from "./problems.ts";
import type { RunRoutes } from "./runs.ts";
import { callerOf, ownSession, uuidParam } from "./sessions.ts";

/** Erasing one's own conversation. What the audit log says of it stays, until the operator erases the session or the user. */
export function eraseRoutes({ db, engine }: Pick<RunRoutes, "db" | "engine">, config: AgentConfig): Router {
  const router = Router();
  router.delete("/sessions/:id", async (req, res) => {
    const caller = callerOf(res);
    const session = await ownSession(db, config.agent.name, uuidParam(req, "id", "session"), caller);
    const about = { id: "", sessionId: session.id, userId: caller.userId };
    const erasure = await eraseSession(db, session.id, () => auditLine(config, about, "session.erased", {}));
    if (erasure.outcome === "originals_kept")
      throw new Problem(
        409,
        "originals of compacted messages are kept, and the tenant's database is not migrated yet: try again later, or ask those who run the agent to erase the session (agentpg erase)",
        {},
        { code: "originals-kept" },
      );
    if (erasure.outcome === "busy") {
      // Runs of other agents end with the run that asked for them.
      const ours = erasure.open.filter((it) => it.sessionId === session.id);
      for (const run of ours) await engine.cancel(run.id, run.userId, run.sessionId);
      const headers = { "retry-after": "1" };
      throw new Problem(409, "its runs are being cancelled: try again soon", headers, { code: "session-busy" });
    }
    res.status(204).end();
  });
  return router;
}
