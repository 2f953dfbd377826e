import { APIConnectionError, APIError } from "@anthropic-ai/sdk";
import { classifyModelError, NoApiKey } from "../model/failure.ts";
import { RunFailed } from "../engine/stop.ts";
import { apiErrorOf } from "../model/batch-api.ts";

const PREFIX = "refused ";
const NO_KEY = `${PREFIX}no key`;

/** In the place of a batch's id: why there is none, so that any worker can tell it to the runs. */
export function refusalMark(error: unknown): string {
  if (!(error instanceof APIError)) return NO_KEY;
  return `${PREFIX}${error.status ?? 400} ${error.type ?? "invalid_request_error"}`;
}

/** What a run ends with whose batch was refused; undefined when the text is the id of a batch. */
export function refusalOf(batchId: string, model: string): RunFailed | undefined {
  if (!batchId.startsWith(PREFIX)) return undefined;
  const [status, type = ""] = batchId.slice(PREFIX.length).split(" ");
  const error = batchId === NO_KEY ? new NoApiKey() : apiErrorOf(type, type, Number(status));
  return failureOf(error, model);
}

/** What a run ends with for this error of the API; undefined when the same may work later. */
export function failureOf(error: unknown, model: string): RunFailed | undefined {
  const failure = classifyModelError(error, model);
  return failure.kind === "fatal" ? new RunFailed(failure.type, failure.message, { cause: error }) : undefined;
}

const NEVER_ARRIVED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/** Whether it is certain that what was asked for was not done. Anything else may have been done, and its answer lost. */
export function wasNotDone(error: unknown): boolean {
  if (error instanceof NoApiKey) return true;
  if (error instanceof APIConnectionError) return NEVER_ARRIVED.has(codeOf(error) ?? "");
  if (!(error instanceof APIError) || error.status === undefined) return false;
  return error.status === 529 || (error.status < 500 && error.status !== 408 && error.status !== 409);
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return (error as NodeJS.ErrnoException).code ?? codeOf(error.cause);
}
