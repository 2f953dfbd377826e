/** The API server answered with a failure (a `metav1.Status`). Classify by `status` and `reason`, never by text. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly reason: string;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, reason: string, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The API server did not answer. */
export class ApiUnreachable extends Error {
  override readonly name = "ApiUnreachable";
}

/** A retry cannot help until the object itself changes: no back-off, no retry storm. */
export class TerminalError extends Error {
  override readonly name = "TerminalError";
}

export const isNotFound = (error: unknown): boolean => error instanceof ApiError && error.status === 404;
export const isAlreadyExists = (error: unknown): boolean =>
  error instanceof ApiError && error.reason === "AlreadyExists";
export const isConflict = (error: unknown): boolean => error instanceof ApiError && error.status === 409;
/** The resource version is too old: list again (HTTP 410, or an ERROR event that says so). */
export const isGone = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === 410 || error.reason === "Expired");
/** The object was refused as it is written. */
export const isInvalid = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === 422 || error.status === 400);
