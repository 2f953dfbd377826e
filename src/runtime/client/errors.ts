import type { Problem } from "./types.ts";

/** The agent refused. */
export class AgentApiError extends Error {
  override name = "AgentApiError";
  readonly status: number;
  readonly detail: string;
  /** Seconds, when the agent says when to try again. */
  readonly retryAfter: number | undefined;
  /** What it said, if it was the agent that answered, and not something on the way. */
  readonly problem: Problem | undefined;

  constructor(status: number, detail: string, retryAfter?: number, problem?: Problem) {
    super(`HTTP ${status}: ${detail}`);
    this.status = status;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.problem = problem;
  }

  /** What tells problems apart, such as `idempotency-key-reused`; empty when something on the way refused. */
  get code(): string {
    return this.problem?.type.split(":").at(-1) ?? "";
  }
}

export async function errorOf(response: Response): Promise<AgentApiError> {
  const body = (await response.json().catch(() => undefined)) as Problem | undefined;
  const problem = typeof body?.type === "string" && typeof body.detail === "string" ? body : undefined;
  const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
  const detail = problem?.detail ?? response.statusText;
  return new AgentApiError(response.status, detail, Number.isFinite(wait) ? wait : undefined, problem);
}
