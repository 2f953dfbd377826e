import type { ErrorRequestHandler, RequestHandler } from "express";
import { ZodError } from "zod";
import { DatabaseOutage } from "../../database/errors.ts";
import type { Logger } from "../../telemetry/log.ts";

/** An answer that is not what was asked for: RFC 9457. The detail is for the caller and holds nothing internal. */
export class Problem extends Error {
  override name = "Problem";
  readonly status: number;
  readonly headers: Record<string, string>;
  constructor(status: number, detail: string, headers: Record<string, string> = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

const TITLES: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

export const forbidden = () => new Problem(403, "you have no access to this");
export const notFound = (what: string) => new Problem(404, `there is no such ${what}`);

/** What an error looks like from outside. Errors of ours that are no Problem, and everything unknown, are a 500 without a word of why. */
function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ZodError) {
    const [first] = error.issues;
    return new Problem(400, `${first?.path.join(".") || "body"}: ${first?.message ?? "is wrong"}`);
  }
  const { type, status } = error as { type?: string; status?: number };
  if (type === "entity.too.large") return new Problem(413, "the request is too large");
  if (type === "entity.parse.failed") return new Problem(400, "the body is not JSON");
  if (type?.startsWith("encoding.") || type?.startsWith("charset."))
    return new Problem(415, "the body's encoding is not supported");
  if (status === 400 && (type !== undefined || error instanceof URIError))
    return new Problem(400, "the request is malformed");
  if (error instanceof DatabaseOutage)
    return new Problem(503, "the database cannot be used now: try again", { "retry-after": "5" });
  return new Problem(500, "something went wrong on our side");
}

/** The one place where an error becomes a status. */
export const problemHandler =
  (log: Logger): ErrorRequestHandler =>
  (error, req, res, _next) => {
    const problem = asProblem(error);
    if (problem.status >= 500)
      log.error({ err: error, method: req.method, route: req.route?.path }, "a request failed");
    if (res.headersSent) {
      res.destroy();
      return;
    }
    const body = {
      type: "about:blank",
      title: TITLES[problem.status] ?? "Error",
      status: problem.status,
      detail: problem.message,
    };
    res.status(problem.status).set(problem.headers).type("application/problem+json").send(JSON.stringify(body));
  };

export const noSuchRoute: RequestHandler = () => {
  throw notFound("resource");
};
