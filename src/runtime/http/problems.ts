import type { ErrorRequestHandler } from "express";
import { ZodError } from "zod";
import { DatabaseOutage } from "../../database/errors.ts";
import type { Logger } from "../../telemetry/log.ts";
import { jsonErrorPosition } from "./json-position.ts";

/** What a program tells problems apart by: the end of the problem's `type`. They are kept from version to version. */
const CODES = {
  400: "malformed-request",
  401: "unauthenticated",
  403: "forbidden",
  404: "not-found",
  405: "method-not-allowed",
  406: "not-acceptable",
  408: "request-timeout",
  409: "conflict",
  413: "content-too-large",
  415: "unsupported-media-type",
  417: "expectation-failed",
  422: "unprocessable",
  429: "too-many-requests",
  431: "headers-too-large",
  500: "internal-error",
  503: "unavailable",
} as const;
const TITLES: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};
export const titleOf = (status: number): string => TITLES[status] ?? "Error";
export const BODY_LIMIT_BYTES = 1_048_576;

/** What else a problem says. */
interface ProblemDetail {
  /** Instead of the status' own code. */
  code?: string;
  /** What is at fault: a JSON pointer into the body (`#/metadata/a`), `?name` for a parameter, or a header's name. */
  field?: string;
}

/** An answer that is not what was asked for: RFC 9457. The detail is for the caller and holds nothing internal. */
export class Problem extends Error {
  override name = "Problem";
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly more: ProblemDetail;
  constructor(status: number, detail: string, headers: Record<string, string> = {}, more: ProblemDetail = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
    this.more = more;
  }

  /** What a program tells it from others by. */
  get code(): string {
    return this.more.code ?? CODES[this.status as keyof typeof CODES] ?? "error";
  }

  /** The problem document. */
  get document() {
    const { field } = this.more;
    return {
      type: `urn:agentpg:problem:${this.code}`,
      title: titleOf(this.status),
      status: this.status,
      detail: this.message,
      ...(field === undefined ? {} : { field }),
    };
  }
}

export const forbidden = () => new Problem(403, "you have no access to this");
export const notFound = (what: string) => new Problem(404, `there is no such ${what}`);

function notJson(body: unknown): Problem {
  const position = typeof body === "string" ? jsonErrorPosition(body) : undefined;
  const where = position === undefined ? "" : ` (at character ${position})`;
  return new Problem(400, `the body is not JSON${where}`, {}, { code: "invalid-json", field: "#" });
}

/** What an error looks like from outside. Errors of ours that are no Problem, and everything unknown, are a 500 without a word of why. */
function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ZodError) {
    const [first] = error.issues;
    return new Problem(400, `${first?.path.join(".") || "body"}: ${first?.message ?? "is wrong"}`);
  }
  const { type, status, body } = error as { type?: string; status?: number; body?: unknown };
  if (type === "entity.too.large")
    return new Problem(413, `the body is larger than ${BODY_LIMIT_BYTES} bytes, unpacked: send less`);
  if (type === "entity.parse.failed") return notJson(body);
  if (type?.startsWith("encoding.") || type?.startsWith("charset."))
    return new Problem(415, "the body's encoding is not supported: send UTF-8, plain or as gzip, deflate or br");
  if (status === 400 && (type !== undefined || error instanceof URIError || "code" in (error as object)))
    return new Problem(400, "the request is malformed");
  if (error instanceof DatabaseOutage)
    return new Problem(503, "the database cannot be used now: try again", { "retry-after": "5" });
  return new Problem(500, "something went wrong on our side");
}

/** The one place where an error becomes a status. @param refused hears of each, by its code; must not throw */
export const problemHandler =
  (log: Logger, refused: (code: string) => void = () => {}): ErrorRequestHandler =>
  (error, req, res, _next) => {
    const problem = asProblem(error);
    refused(problem.code);
    const at = { err: error, method: req.method, route: req.route?.path };
    if (problem.status === 503) log.warn(at, "a request was put off");
    else if (problem.status >= 500) log.error(at, "a request failed");
    if (res.headersSent) {
      if (!res.writableEnded) res.destroy();
      return;
    }
    res.status(problem.status).set(problem.headers).type("application/problem+json");
    res.send(JSON.stringify(problem.document));
  };
