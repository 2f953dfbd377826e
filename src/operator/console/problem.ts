import { DatabaseError } from "../../database/errors.ts";
import { ApiError, ApiUnreachable } from "../../kubernetes/errors.ts";
import { OperationRefused } from "../admin/operation.ts";

/** An answer that is not what was asked for: RFC 9457. What it says goes to the browser, and holds nothing internal. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  /** What a program tells it from others by. */
  readonly code: string;
  /** What to do about it. */
  readonly remedy: string | undefined;
  readonly headers: Record<string, string>;

  constructor(status: number, code: string, detail: string, remedy?: string, headers: Record<string, string> = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.remedy = remedy;
    this.headers = headers;
  }

  get document() {
    const { status, code, message: detail, remedy } = this;
    return { type: `urn:agentpg:console:${code}`, status, code, detail, ...(remedy === undefined ? {} : { remedy }) };
  }
}

export const notFound = (what: string, remedy?: string) =>
  new Problem(404, "not-found", `there is no such ${what}`, remedy);

/** The one place where an error becomes a status. Messages of the database's and of refusals are made for people, and hold no secret. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof OperationRefused) return new Problem(409, "refused", error.message);
  if (error instanceof DatabaseError)
    return new Problem(503, "database", "the database did not give an answer", `${error.reason}: ${error.message}`);
  if (error instanceof ApiError && error.status === 403)
    return new Problem(
      503,
      "kubernetes",
      "the operator may not ask Kubernetes who you are and what you may see",
      "install the chart with console.enabled: true, which grants it create on tokenreviews and subjectaccessreviews",
    );
  if (error instanceof ApiError || error instanceof ApiUnreachable)
    return new Problem(
      503,
      "kubernetes",
      "the Kubernetes API server did not answer the operator",
      "try again in a moment",
    );
  return new Problem(500, "internal", "something went wrong on our side", "look into the operator's log");
}
