import { type Request, type Response, Router } from "express";
import type { AgentConfig } from "../../api/agent-config.ts";
import type { TranscriptDatabase } from "../../database/encryption/transcript-database.ts";
import type { Queryable } from "../../database/runs/database.ts";
import {
  changeMetadata,
  createSessions,
  messagesOfSession,
  type NewSession,
  type Session,
  sessionById,
  sessionsOfUser,
} from "../../database/runs/sessions.ts";
import { Lane } from "../engine/lane.ts";
import type { Protection } from "../pii/protection.ts";
import { isUuid, uuidv7 } from "../uuid.ts";
import { cleanJson } from "./clean.ts";
import type { Caller } from "./caller.ts";
import { bodyOf, queryOf } from "./input.ts";
import { MinuteCounts } from "./minute-counts.ts";
import { forbidden, notFound, Problem } from "./problems.ts";
import { MAX_METADATA_ENTRIES, messagesQuery, newSession, sessionChange, sessionsQuery } from "./schemas.ts";

export const callerOf = (res: Response): Caller => res.locals.caller as Caller;

/** A path parameter that is a UUID. @throws Problem 404 when it is none */
export function uuidParam(req: Request, name: string, what: string): string {
  const value = String(req.params[name]).toLowerCase();
  if (!isUuid(value)) throw notFound(what);
  return value;
}

/** A session as its owner sees it. */
function shown(session: Session): Omit<Session, "userId"> {
  const { userId: _user, ...rest } = session;
  return rest;
}

/** The caller's session. @throws Problem 404, or 403 when it is another user's */
export async function ownSession(db: Queryable, agent: string, id: string, caller: Caller): Promise<Session> {
  const session = await sessionById(db, id, agent);
  if (!session) throw notFound("session");
  if (session.userId !== caller.userId) throw forbidden();
  return session;
}

/** Sessions that a user may open in a minute in one process, at least: as many as the tenant may have runs, when those are more. */
const SESSIONS_PER_MINUTE = 1200;

/** Counts the sessions that users open. @throws Problem 429, what it gives */
function openingRate(runsPerMinute: number): (userId: string) => void {
  const limit = Math.max(SESSIONS_PER_MINUTE, runsPerMinute);
  const opened = new MinuteCounts(limit);
  return (userId) => {
    const wait = opened.blockedFor(userId);
    if (wait !== undefined)
      throw new Problem(429, `you have opened ${limit} sessions in a minute: wait`, { "retry-after": String(wait) });
    opened.count(userId);
  };
}

/** Sessions in one statement. */
const MOST_OPENED_AT_ONCE = 64;

export function sessionRoutes(db: TranscriptDatabase, config: AgentConfig, protection?: Protection): Router {
  const router = Router();
  const agent = config.agent.name;
  const count = openingRate(config.tenantLimits.runsPerMinute);
  const own = (req: Request, res: Response) => ownSession(db, agent, uuidParam(req, "id", "session"), callerOf(res));
  const clean = <T>(metadata: T): T => (protection ? cleanJson(protection, "#/metadata", metadata) : metadata);
  const opening = new Lane<NewSession, Session>({
    key: ({ id }) => id,
    most: MOST_OPENED_AT_ONCE,
    gatherFrom: 100,
    patienceMs: 0,
    apply: (sessions) => createSessions(db, agent, sessions),
  });
  router.post("/sessions", async (req, res) => {
    const metadata = clean(bodyOf(newSession, req).metadata);
    const { userId } = callerOf(res);
    count(userId);
    const session = await opening.write({ id: uuidv7(), userId, metadata });
    res.status(201).location(`/v1/sessions/${session.id}`).json(shown(session));
  });
  router.get("/sessions", async (req, res) => {
    const { limit, before, metadata } = queryOf(sessionsQuery, req);
    const sessions = await sessionsOfUser(db, agent, callerOf(res).userId, limit, before ?? null, metadata);
    res.json({ items: sessions.map(shown), next: sessions.length === limit ? sessions.at(-1)?.id : null });
  });
  router.get("/sessions/:id", async (req, res) => {
    res.json(shown(await own(req, res)));
  });
  router.patch("/sessions/:id", async (req, res) => {
    const session = await own(req, res);
    const metadata = clean(bodyOf(sessionChange, req).metadata);
    const changed = await changeMetadata(db, session.id, metadata, MAX_METADATA_ENTRIES);
    if (!changed)
      throw new Problem(400, `metadata: at most ${MAX_METADATA_ENTRIES} entries`, {}, { field: "#/metadata" });
    res.json(shown(changed));
  });
  router.get("/sessions/:id/messages", async (req, res) => {
    const { limit, after } = queryOf(messagesQuery, req);
    const session = await own(req, res);
    const items = await messagesOfSession(db, session.id, after, limit);
    res.json({ items, next: items.length === limit ? items.at(-1)?.seq : null });
  });
  return router;
}
