import { APIConnectionError, APIError } from "@anthropic-ai/sdk";
import { z } from "zod";
import { BROKER_REFUSAL_HEADER, type BrokerRefusal } from "../../api/broker-config.ts";
import { StreamInterrupted } from "./accumulate.ts";

/** What to do after a failed model call. */
export type ModelFailure =
  /** The API is busy or out of reach: wait and ask again for as long as the run may take. */
  | { kind: "busy"; type: string; retryAfterMs: number | undefined }
  /** The stream broke: ask again, a few times. */
  | { kind: "interrupted"; type: string }
  /** Asking again will not help. `message` is for the client. */
  | { kind: "fatal"; type: string; message: string };

const KEY_REFUSED =
  "the Anthropic API key was refused: check the Secret that holds it (Tenant spec.anthropic.apiKeySecretRef)";

function retryAfterMs(headers: Headers | undefined): number | undefined {
  const seconds = Number.parseFloat(headers?.get("retry-after") ?? "");
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}

/** The API has no code of its own for a context that is too long, only these words. */
const TOO_LONG = /prompt is too long|exceed context limit/i;

/** Refusals of the key broker that no asking again helps; its others are told apart by their status, as the API's are. */
const FATAL_REFUSALS: Partial<Record<BrokerRefusal, string>> = {
  token: "api_key_refused",
  "no-key": "api_key_missing",
  model: "model_not_allowed",
  budget: "budget_exceeded",
  path: "model_error",
  body: "invalid_request_error",
};

const errorBody = z.object({ error: z.object({ message: z.string() }) });

/** The broker's messages are made for whoever runs the agent. */
function ofBroker({ error, headers }: APIError): ModelFailure | undefined {
  const type = FATAL_REFUSALS[headers?.get(BROKER_REFUSAL_HEADER) as BrokerRefusal];
  if (type === undefined) return undefined;
  const { data } = errorBody.safeParse(error);
  return { kind: "fatal", type, message: data?.error.message ?? "the key broker refused the call" };
}

function ofStatus(error: APIError, model: string): ModelFailure {
  const { status, type } = error;
  if (status === undefined) {
    const busy = type === "overloaded_error" || type === "rate_limit_error";
    return busy
      ? { kind: "busy", type, retryAfterMs: undefined }
      : { kind: "interrupted", type: type ?? "stream_error" };
  }
  if (status === 429 || status === 408 || status === 409 || status >= 500) {
    return {
      kind: "busy",
      type: type ?? `http_${status}`,
      retryAfterMs: retryAfterMs(error.headers),
    };
  }
  if (status === 401 || status === 403) return { kind: "fatal", type: "api_key_refused", message: KEY_REFUSED };
  if (status === 404)
    return {
      kind: "fatal",
      type: "unknown_model",
      message: `the model ${model} is not known to the API: check spec.model of the Agent`,
    };
  if (status === 413 || (status === 400 && TOO_LONG.test(error.message)))
    return { kind: "fatal", type: "context_full", message: "the conversation does not fit the model's context window" };
  return {
    kind: "fatal",
    type: type ?? "model_error",
    message: `the model API refused the request (HTTP ${status}, ${type ?? "no type"})`,
  };
}

/** Sorts an error of a model call by its class and codes, never by its text. */
export function classifyModelError(error: unknown, model: string): ModelFailure {
  if (error instanceof StreamInterrupted) return { kind: "interrupted", type: "stream_interrupted" };
  if (error instanceof APIConnectionError) return { kind: "busy", type: "unreachable", retryAfterMs: undefined };
  if (error instanceof APIError) return ofBroker(error) ?? ofStatus(error, model);
  if (error instanceof NoApiKey) return { kind: "fatal", type: "api_key_missing", message: error.message };
  return { kind: "interrupted", type: "stream_error" }; // a reset in mid-stream, or JSON that is none
}

export class NoApiKey extends Error {
  override name = "NoApiKey";
  constructor() {
    super("there is no Anthropic API key: create the Secret that the Tenant's spec.anthropic.apiKeySecretRef names");
  }
}
