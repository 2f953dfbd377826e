import type { Request, RequestHandler, Response } from "express";
import type { AgentTracing } from "../tracing/agent-tracing.ts";

const MOUNTED_AT = "/v1";

/** The route with its placeholders; undefined: none was found, or asked for. */
const routeOf = ({ route }: Request): string | undefined => {
  const path: unknown = (route as { path?: unknown } | undefined)?.path;
  return typeof path === "string" ? MOUNTED_AT + path : undefined;
};

/** Where in a trace the request is; undefined: nobody traces it. */
export const traceOf = (res: Response): string | undefined => res.locals["trace"] as string | undefined;

/** A span for each request, from here to the end of its answer, also of one that is streamed. A caller's trace goes on. */
export const tracedRequests =
  (tracing: AgentTracing): RequestHandler =>
  (req, res, next) => {
    const span = tracing.request(req.method, req.header("traceparent"));
    res.locals["trace"] = span.traceParent;
    res.once("close", () => {
      const route = routeOf(req);
      const status = res.statusCode;
      span.end({
        name: route && `${req.method} ${route}`,
        attributes: {
          ...(route ? { "http.route": route, "url.path": route } : {}),
          ...(res.headersSent ? { "http.response.status_code": status } : {}),
        },
        error: res.headersSent && status >= 500 ? String(status) : undefined,
      });
    });
    next();
  };
