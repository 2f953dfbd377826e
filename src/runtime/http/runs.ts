import { type Request, type Response, Router } from "express";
import type { Accepted } from "../../database/runs/accept-run.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { isFinal, type RunState } from "../../database/runs/run.ts";
import { approvalsOfRun } from "../../database/runs/approvals.ts";
import { decidedApprovals } from "../../database/runs/decided-approvals.ts";
import { runById, runsOfSession, type RunView } from "../../database/runs/read-run.ts";
import { messagesOfRun, sessionById } from "../../database/runs/sessions.ts";
import type { Engine } from "../engine/engine.ts";
import { parseEventId, type Position } from "../engine/events.ts";
import { type FollowSource, followRun, type Start } from "../engine/follow.ts";
import type { LoadMonitor } from "../engine/load-monitor.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import type { Protection } from "../pii/protection.ts";
import type { Tools } from "../tools/registry.ts";
import type { Caller } from "./caller.ts";
import { checkedQuestion, type QuestionCheck } from "./checked-question.ts";
import { bodyOf, mustTakeEvents, queryOf } from "./input.ts";
import type { OpenStreams } from "./open-streams.ts";
import { forbidden, notFound, Problem } from "./problems.ts";
import { newRun, runsQuery } from "./schemas.ts";
import { callerOf, ownSession, uuidParam } from "./sessions.ts";
import { EventStream, sendEvents, sendLive } from "./sse.ts";
import { traceOf } from "./traced-requests.ts";

export interface RunRoutes {
  db: AgentDatabase;
  agent: string;
  engine: Engine;
  load: LoadMonitor;
  tools: Tools;
  metrics: RuntimeMetrics;
  /** Left out when no hook looks at questions. */
  check?: QuestionCheck | undefined;
  /** Left out: personal data is taken as it comes. */
  protection?: Protection | undefined;
}

/** How often a run that another process works on is looked at, in milliseconds. */
const FOLLOW_POLL_MS = 500;
/** And when nothing new was seen for a while. */
const LONGEST_POLL_MS = 3000;

const followSource = ({ db, agent, engine, tools }: RunRoutes): FollowSource => ({
  channel: (runId) => engine.channel(runId),
  run: (runId) => runById(db, runId, agent),
  messages: (sessionId, runId, after) => messagesOfRun(db, sessionId, runId, after),
  delegate(name) {
    const body = tools.get(name)?.body;
    return body?.kind === "agent" ? body.agent : undefined;
  },
  async approvals(runId) {
    const waiting = await approvalsOfRun(db, agent, runId);
    return waiting.map(({ toolUseId, tool: name, input, expiresAt }) => ({ toolUseId, name, input, expiresAt }));
  },
  asksFirst: (tool) => tools.get(tool)?.needsApproval ?? false,
  async decisions(runId) {
    const byTime = engine.config.approvals?.onTimeout === "Approve";
    const decided = await decidedApprovals(db, runId);
    return decided.map(({ tool: name, approved, ...it }) => ({ ...it, name, approved: approved ?? byTime }));
  },
  pause: (runId, signal, idle) =>
    engine.appears(runId, Math.min(LONGEST_POLL_MS, FOLLOW_POLL_MS * 1.5 ** Math.min(idle, 10)), signal),
});

/** A run as its owner sees it. */
function shown(view: RunView): Omit<RunView, "userId" | "depth" | "parentRun"> {
  const { userId: _user, depth: _depth, parentRun: _parent, ...run } = view;
  return run;
}

/** The caller's run. @throws Problem 404, or 403 when it is another user's */
export async function ownRun({ db, agent }: RunRoutes, id: string, caller: Caller): Promise<RunView> {
  const run = await runById(db, id, agent);
  if (!run) throw notFound("run");
  if (run.userId !== caller.userId) throw forbidden();
  return run;
}

function idempotencyKey(req: Request): string | null {
  const key = req.header("idempotency-key");
  if (key === undefined) return null;
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw new Problem(400, "Idempotency-Key: 1 to 255 printable ASCII characters", {}, { field: "Idempotency-Key" });
  return key;
}

function lastEventId(req: Request): Position | undefined {
  const id = req.header("last-event-id");
  if (!id) return undefined;
  const position = parseEventId(id);
  if (!position)
    throw new Problem(400, "Last-Event-ID: give the id of an event of this run", {}, { field: "Last-Event-ID" });
  return position;
}

const wantsEvents = (req: Request): boolean => /\btext\/event-stream\b/i.test(req.header("accept") ?? "");

interface Taken {
  accepted: Exclude<Accepted, { outcome: "no_session" }>;
  runId: string;
  sessionId: string;
}

function stateOf(accepted: Taken["accepted"]): RunState {
  if (accepted.outcome === "repeated") return accepted.state;
  return accepted.outcome === "queued" ? "pending" : "running";
}

/** Takes the run of a request. @throws Problem 403, 404, 422, 429, 503 */
async function acceptRequest(routes: RunRoutes, req: Request, res: Response): Promise<Taken> {
  const { engine, load } = routes;
  const { message, variables } = bodyOf(newRun, req);
  const sessionId = uuidParam(req, "id", "session");
  if (engine.draining)
    throw new Problem(503, "this process is about to end: try again", { "retry-after": "1", connection: "close" });
  const notNow = load.admit();
  if (notNow) throw new Problem(429, notNow.reason, { "retry-after": String(notNow.retryAfter) });
  const question = {
    sessionId,
    userId: callerOf(res).userId,
    message,
    variables: variables ?? null,
    idempotencyKey: idempotencyKey(req),
    trace: traceOf(res),
  };
  const { check } = routes;
  const { accepted, runId } = await engine.accept(check ? await checkedQuestion(check, question) : question);
  if (accepted.outcome === "no_session")
    throw accepted.exists ? await whyNoSession(routes, sessionId) : notFound("session");
  if (accepted.outcome === "repeated" && !accepted.same)
    throw new Problem(
      422,
      "this Idempotency-Key was used with another message or other variables: take a new key",
      {},
      { code: "idempotency-key-reused", field: "Idempotency-Key" },
    );
  return { accepted, runId, sessionId };
}

/** The session exists, but not for this user or not with this agent. */
async function whyNoSession({ db, agent }: RunRoutes, sessionId: string): Promise<Problem> {
  return (await sessionById(db, sessionId, agent)) ? forbidden() : notFound("session");
}

/** Sends what happens to a run that was just taken: straight from the work on it while that is here, else as anybody may follow it. */
async function streamAccepted(source: FollowSource, res: Response, taken: Taken): Promise<void> {
  const { accepted, runId, sessionId } = taken;
  const stream = new EventStream(res, callerOf(res));
  const start = { seq: accepted.outcome === "started" ? accepted.lastSeq : 0, part: 0 };
  let from: Start = { at: start, begun: false };
  const channel = accepted.outcome === "started" ? source.channel(runId) : undefined;
  if (accepted.outcome === "queued") stream.send({ type: "run.queued", data: { runId, sessionId } });
  if (channel) {
    stream.send({ type: "run.started", data: { runId, sessionId }, at: start });
    const stopped = await sendLive(stream, channel, start);
    if (!stopped) return stream.end();
    await stream.drained();
    from = { at: stopped, begun: true };
  }
  await sendEvents(stream, followRun(source, runId, sessionId, from, stream.signal));
}

export function runRoutes(routes: RunRoutes, streams: OpenStreams): Router {
  const router = Router();
  const source = followSource(routes);
  router.post("/sessions/:id/runs", async (req, res) => {
    if (wantsEvents(req)) streams.count(callerOf(res).userId, res);
    const taken = await acceptRequest(routes, req, res);
    const { accepted, runId, sessionId } = taken;
    res.location(`/v1/runs/${runId}`);
    if (wantsEvents(req)) return streamAccepted(source, res, taken);
    res.status(202).json({ id: runId, sessionId, state: stateOf(accepted) });
  });
  router.get("/sessions/:id/runs", async (req, res) => {
    const { limit, before, state } = queryOf(runsQuery, req);
    const session = await ownSession(routes.db, routes.agent, uuidParam(req, "id", "session"), callerOf(res));
    const runs = await runsOfSession(routes.db, session.id, { limit, before: before ?? null, state: state ?? null });
    res.json({ items: runs.map(shown), next: runs.length === limit ? runs.at(-1)?.id : null });
  });
  router.get("/runs/:id", async (req, res) => {
    res.json(shown(await ownRun(routes, uuidParam(req, "id", "run"), callerOf(res))));
  });
  router.get("/runs/:id/events", async (req, res) => {
    mustTakeEvents(req);
    const run = await ownRun(routes, uuidParam(req, "id", "run"), callerOf(res));
    const last = lastEventId(req);
    streams.count(run.userId, res);
    const stream = new EventStream(res, callerOf(res)).open();
    const from = { at: last ?? { seq: 0, part: 0 }, begun: last !== undefined };
    await sendEvents(stream, followRun(source, run.id, run.sessionId, from, stream.signal));
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
