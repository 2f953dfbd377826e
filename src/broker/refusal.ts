import { BROKER_REFUSAL_HEADER, type BrokerRefusal } from "../api/broker-config.ts";

interface Form {
  status: number;
  /** The error type of the Messages API that comes nearest. */
  type: string;
  /** Whether the same call may be taken in so many seconds; left out: it will not be, whenever it comes. */
  retryAfter?: number;
}

const FORMS: Record<BrokerRefusal, Form> = {
  token: { status: 401, type: "authentication_error" },
  attempts: { status: 429, type: "rate_limit_error", retryAfter: 5 },
  "no-key": { status: 401, type: "authentication_error" },
  path: { status: 404, type: "not_found_error" },
  body: { status: 400, type: "invalid_request_error" },
  "body-size": { status: 413, type: "request_too_large" },
  model: { status: 404, type: "not_found_error" },
  budget: { status: 402, type: "billing_error" },
  "budget-in-use": { status: 529, type: "overloaded_error", retryAfter: 1 },
  "budget-unknown": { status: 529, type: "overloaded_error", retryAfter: 5 },
  busy: { status: 529, type: "overloaded_error", retryAfter: 1 },
  unreachable: { status: 502, type: "api_error", retryAfter: 1 },
};

/** A call that the broker does not pass on. The message is for whoever runs the agent, and holds no secret. */
export class Refused extends Error {
  override name = "Refused";
  readonly reason: BrokerRefusal;
  readonly retryAfter: number | undefined;

  constructor(reason: BrokerRefusal, message: string, options: { cause?: unknown; retryAfter?: number } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.reason = reason;
    this.retryAfter = options.retryAfter ?? FORMS[reason].retryAfter;
  }

  get status(): number {
    return FORMS[this.reason].status;
  }

  /** An error as the Messages API gives it, so that its client knows whether to try again. */
  get answer(): { headers: Record<string, string>; body: string } {
    const again = this.retryAfter !== undefined;
    const headers = {
      "content-type": "application/json",
      [BROKER_REFUSAL_HEADER]: this.reason,
      "x-should-retry": String(again),
      ...(again ? { "retry-after": String(this.retryAfter) } : {}),
    };
    const error = { type: FORMS[this.reason].type, message: this.message };
    return { headers, body: JSON.stringify({ type: "error", error }) };
  }
}
