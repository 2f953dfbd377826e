import express, { type Express, type RequestHandler } from "express";
import helmet from "helmet";
import type { Logger } from "../../telemetry/log.ts";
import type { RuntimeMetrics } from "../metrics.ts";
import type { SessionCompaction } from "../compaction/compact-session.ts";
import { compactionRoutes } from "./compaction.ts";
import { openApiDocument } from "./openapi.ts";
import { noSuchRoute, problemHandler } from "./problems.ts";
import { type RunRoutes, runRoutes } from "./runs.ts";
import { sessionRoutes } from "./sessions.ts";

const BODY_LIMIT = "1mb";

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

/** The agent's API, for its callers. */
export function createApiApp(
  routes: RunRoutes & { compaction: SessionCompaction },
  guard: RequestHandler,
  readiness: Readiness,
  log: Logger,
  version: string,
): Express {
  const app = base(readiness);
  app.use(helmet());
  const document = openApiDocument(routes.agent, version);
  app.get("/openapi.json", (_req, res) => void res.json(document));
  app.use("/v1", guard, express.json({ limit: BODY_LIMIT }), sessionRoutes(routes.db, routes.agent), runRoutes(routes));
  app.use("/v1", compactionRoutes(routes.compaction, routes));
  app.use(noSuchRoute, problemHandler(log));
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
  app.use(helmet());
  app.get("/metrics", async (_req, res) => {
    res.set("content-type", metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  app.get("/status", (_req, res) => void res.json(status()));
  app.use(noSuchRoute, problemHandler(log));
  return app;
}
