import express, { type Express, type RequestHandler, type Router } from "express";
import type { Logger } from "../../telemetry/log.ts";
import { exposition } from "../metrics/exposition.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import type { AgentTracing } from "../tracing/agent-tracing.ts";
import type { SessionCompaction } from "../compaction/compact-session.ts";
import { approvalRoutes } from "./approvals.ts";
import { compactionRoutes } from "./compaction.ts";
import { openApiDocument } from "./openapi.ts";
import { eraseRoutes } from "./erase.ts";
import { checkedMedia } from "./input.ts";
import { OpenStreams } from "./open-streams.ts";
import { BODY_LIMIT_BYTES, problemHandler } from "./problems.ts";
import { noSuchRoute, optionsLikeOthers } from "./routes.ts";
import { securityHeaders } from "./security-headers.ts";
import { treeRoutes } from "./tree.ts";
import { tracedRequests } from "./traced-requests.ts";
import { usageRoutes } from "./usage.ts";
import { type RunRoutes, runRoutes } from "./runs.ts";
import { sessionRoutes } from "./sessions.ts";

/** Whether the process should get requests; says why not. */
export type Readiness = () => { ready: boolean; reasons: string[] };

function base(readiness: Readiness): Express {
  const app = express();
  app.disable("x-powered-by").disable("etag");
  app.set("query parser", "simple");
  app.get("/livez", (_req, res) => void res.type("text/plain").send("ok"));
  app.get("/readyz", (_req, res) => {
    const { ready, reasons } = readiness();
    res.status(ready ? 200 : 503).json({ ready, reasons });
  });
  return app;
}

export type ApiRoutes = RunRoutes & {
  compaction: SessionCompaction;
  /** Left out: nobody collects traces. */
  tracing?: AgentTracing | undefined;
};

/** All that is below `/v1`. */
export const apiRouters = (routes: ApiRoutes): Router[] => [
  runRoutes(routes, new OpenStreams(routes.compaction.config)),
  sessionRoutes(routes.db, routes.compaction.config, routes.protection),
  eraseRoutes(routes, routes.compaction.config),
  treeRoutes(routes),
  approvalRoutes(routes),
  usageRoutes(routes, routes.compaction.config),
  compactionRoutes(routes.compaction, routes),
];

/** The agent's API, for its callers. */
export function createApiApp(
  routes: ApiRoutes,
  guard: RequestHandler,
  readiness: Readiness,
  log: Logger,
  version: string,
): Express {
  const app = base(readiness);
  app.use(securityHeaders());
  const document = openApiDocument(routes.agent, version);
  app.get("/openapi.json", (_req, res) => void res.json(document));
  const routers = apiRouters(routes);
  const body = express.json({ limit: BODY_LIMIT_BYTES, strict: false });
  const v1 = express.Router();
  v1.use(guard);
  if (routes.tracing) v1.use(tracedRequests(routes.tracing)); // nobody unknown makes spans
  v1.use(checkedMedia, optionsLikeOthers(...routers), body, ...routers, noSuchRoute(...routers));
  app.use("/v1", v1); // one layer with a path: what is below need not match it again
  const refused = (reason: string) => routes.metrics.requestsRefused.inc({ reason });
  app.use(noSuchRoute(app.router), problemHandler(log, refused));
  return app;
}

/** For Prometheus and the operator, on a port of its own. */
export function createMetricsApp(
  metrics: RuntimeMetrics,
  status: () => unknown,
  readiness: Readiness,
  log: Logger,
): Express {
  const app = base(readiness);
  app.use(securityHeaders());
  app.get("/metrics", async (req, res) => {
    const { type, text } = await exposition(metrics.registry, req.headers.accept);
    res.set("content-type", type).send(text);
  });
  app.get("/status", (_req, res) => void res.json(status()));
  app.use(noSuchRoute(app.router), problemHandler(log));
  return app;
}
