import { type Request, type Response, Router } from "express";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { isFinal } from "../../database/runs/run.ts";
import { runById, type RunView } from "../../database/runs/read-run.ts";
import { messagesOfRun, sessionById } from "../../database/runs/sessions.ts";
import type { Engine } from "../engine/engine.ts";
import { parseEventId, type PlacedEvent } from "../engine/events.ts";
import { type FollowSource, followRun } from "../engine/follow.ts";
import type { LoadMonitor } from "../engine/load-monitor.ts";
import type { Tools } from "../tools/registry.ts";
import type { Caller } from "./access.ts";
import { forbidden, notFound, Problem } from "./problems.ts";
import { newRun } from "./schemas.ts";
import { callerOf, uuidParam } from "./sessions.ts";
import { sendEvents } from "./sse.ts";

export interface RunRoutes {
  db: AgentDatabase;
  agent: string;
  engine: Engine;
  load: LoadMonitor;
  tools: Tools;
}

/** How often a run that another process works on is looked at, in milliseconds. */
const FOLLOW_POLL_MS = 500;

const followSource = ({ db, agent, engine, tools }: RunRoutes): FollowSource => ({
  channel: (runId) => engine.channel(runId),
  run: (runId) => runById(db, runId, agent),
  messages: (sessionId, runId, after) => messagesOfRun(db, sessionId, runId, after),
  delegate(name) {
    const body = tools.get(name)?.body;
    return body?.kind === "agent" ? body.agent : undefined;
  },
  pause: (runId, signal) => engine.appears(runId, FOLLOW_POLL_MS, signal),
});

/** A run as its owner sees it. */
function shown(view: RunView): Omit<RunView, "userId" | "depth" | "parentRun"> {
  const { userId: _user, depth: _depth, parentRun: _parent, ...run } = view;
  return run;
}

async function ownRun({ db, agent }: RunRoutes, id: string, caller: Caller): Promise<RunView> {
  const run = await runById(db, id, agent);
  if (!run) throw notFound("run");
  if (run.userId !== caller.userId) throw forbidden();
  return run;
}

function idempotencyKey(req: Request): string | null {
  const key = req.header("idempotency-key");
  if (key === undefined) return null;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw new Problem(400, "Idempotency-Key: 1 to 255 printable ASCII characters");
  return key;
}

const wantsEvents = (req: Request): boolean => /\btext\/event-stream\b/.test(req.header("accept") ?? "");

/** Takes the run of a request. @throws Problem 403, 404, 422, 429, 503 */
async function acceptRequest(routes: RunRoutes, req: Request, res: Response) {
  const { engine, load } = routes;
  const { message, variables } = newRun.parse(req.body ?? {});
  const sessionId = uuidParam(req, "id", "session");
  if (engine.draining)
    throw new Problem(503, "this process is about to end: try again", { "retry-after": "1", connection: "close" });
  const wait = load.admit();
  if (wait !== undefined)
    throw new Problem(429, "the tenant's limit of runs a minute is reached", { "retry-after": String(wait) });
  const question = {
    sessionId,
    userId: callerOf(res).userId,
    message,
    variables: variables ?? null,
    idempotencyKey: idempotencyKey(req),
  };
  const { accepted, runId } = await engine.accept(question);
  if (accepted.outcome === "no_session")
    throw accepted.exists ? await whyNoSession(routes, sessionId) : notFound("session");
  if (accepted.outcome === "repeated" && !accepted.samePrompt)
    throw new Problem(422, "this Idempotency-Key was used with another message");
  return { accepted, runId, sessionId };
}

/** The session exists, but not for this user or not with this agent. */
async function whyNoSession({ db, agent }: RunRoutes, sessionId: string): Promise<Problem> {
  return (await sessionById(db, sessionId, agent)) ? forbidden() : notFound("session");
}

async function* queuedThen(
  runId: string,
  sessionId: string,
  events: AsyncIterable<PlacedEvent>,
): AsyncGenerator<PlacedEvent> {
  yield { type: "run.queued", data: { runId, sessionId }, at: { seq: 0, part: 0 } };
  yield* events;
}

export function runRoutes(routes: RunRoutes): Router {
  const router = Router();
  const source = followSource(routes);
  router.post("/sessions/:id/runs", async (req, res) => {
    const { accepted, runId, sessionId } = await acceptRequest(routes, req, res);
    res.location(`/v1/runs/${runId}`);
    if (!wantsEvents(req)) {
      const state = accepted.outcome === "queued" ? "pending" : "running";
      res.status(202).json({ id: runId, sessionId, state });
      return;
    }
    const gone = new AbortController();
    const at = { seq: accepted.outcome === "started" ? accepted.lastSeq : 0, part: 0 };
    const events = followRun(source, runId, sessionId, { at, begun: false }, gone.signal);
    await sendEvents(res, accepted.outcome === "queued" ? queuedThen(runId, sessionId, events) : events, gone);
  });
  router.get("/runs/:id", async (req, res) => {
    res.json(shown(await ownRun(routes, uuidParam(req, "id", "run"), callerOf(res))));
  });
  router.get("/runs/:id/events", async (req, res) => {
    const run = await ownRun(routes, uuidParam(req, "id", "run"), callerOf(res));
    const gone = new AbortController();
    const last = parseEventId(req.header("last-event-id"));
    const from = { at: last ?? { seq: 0, part: 0 }, begun: last !== undefined };
    await sendEvents(res, followRun(source, run.id, run.sessionId, from, gone.signal), gone);
  });
  router.post("/runs/:id/cancel", async (req, res) => {
    const run = await ownRun(routes, uuidParam(req, "id", "run"), callerOf(res));
    if (!isFinal(run.state)) await routes.engine.cancel(run.id, run.userId, run.sessionId);
    res
      .status(202)
      .location(`/v1/runs/${run.id}`)
      .json(shown(await ownRun(routes, run.id, callerOf(res))));
  });
  return router;
}
