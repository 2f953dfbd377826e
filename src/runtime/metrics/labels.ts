/** The error types of the Messages API, and those that src/runtime/model/failure.ts gives. What an endpoint says beyond them is its own. */
const MODEL_ERRORS = new Set([
  "overloaded_error",
  "rate_limit_error",
  "api_error",
  "timeout_error",
  "invalid_request_error",
  "billing_error",
  "permission_error",
  "authentication_error",
  "not_found_error",
  "request_too_large",
  "api_key_refused",
  "api_key_missing",
  "unknown_model",
  "model_not_allowed",
  "budget_exceeded",
  "context_full",
  "unreachable",
  "stream_interrupted",
  "stream_error",
  "model_error",
]);

/** An endpoint may call its errors what it likes: a label takes the known ones only. */
export const modelErrorLabel = (type: string): string =>
  MODEL_ERRORS.has(type) || /^http_[45]\d\d$/.test(type) ? type : "other";

/** Why runs fail that did not fail for the model's sake. */
const RUN_FAILURES = new Set([
  "timeout",
  "max_iterations",
  "budget_exceeded",
  "blocked",
  "refusal",
  "empty_answer",
  "max_tokens",
  "unknown_stop_reason",
  "batch_failed",
  "internal_error",
]);

export const runFailureLabel = (type: string): string => (RUN_FAILURES.has(type) ? type : modelErrorLabel(type));

/** Names that become labels of one metric; one that comes when there are so many already is called `other`. */
export class BoundedNames {
  readonly #most: number;
  readonly #known = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  label(name: string): string {
    if (this.#known.has(name)) return name;
    if (this.#known.size >= this.#most) return "other";
    this.#known.add(name);
    return name;
  }
}
