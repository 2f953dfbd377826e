import { setTimeout as sleep } from "node:timers/promises";
import type { ModelAnswer } from "./accumulate.ts";
import type { AnswerListener, Model, ModelRequest } from "./client.ts";
import { classifyModelError, type ModelFailure } from "./failure.ts";

/** No answer, and none to be had by asking again. `type` and `message` are for the client. */
export class ModelCallFailed extends Error {
  override name = "ModelCallFailed";
  readonly type: string;
  constructor(type: string, message: string, cause: unknown) {
    super(message, { cause });
    this.type = type;
  }
}

export interface Patience {
  /** Attempts after a stream that broke. */
  interruptedAttempts: number;
  /** First wait in milliseconds; doubles up to `longestMs`. */
  firstMs: number;
  longestMs: number;
}
export const PATIENCE: Patience = { interruptedAttempts: 5, firstMs: 500, longestMs: 30_000 };

export interface Asking extends AnswerListener {
  /** Before each attempt but the first. @throws when it is not to be made */
  beforeAgain(): Promise<void>;
  /** Text that was passed on is void; only called when there was any. */
  onRestart(reason: string): void;
  onFailure(failure: ModelFailure): void;
  /** It is asked again, after a wait. */
  onRetry?(failure: ModelFailure): void;
  /** What the key is; when it has changed while a call was refused, the call is made again. */
  keyFingerprint(): string | undefined;
  /** Looks for a new key now. */
  refreshKey(): Promise<unknown>;
}

const backOff = (attempt: number, { firstMs, longestMs }: Patience): number =>
  Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 20)) * (0.75 + Math.random() / 2);

/**
 * Asks until there is a whole answer. Overload and limits are waited out for as long as `signal` allows (the API's own `retry-after`
 * is obeyed); a broken stream is asked for again a few times; what cannot succeed fails at once.
 * @throws ModelCallFailed, what `beforeAgain` throws, or the signal's reason
 */
export async function askPatiently(
  model: Model,
  request: ModelRequest,
  asking: Asking,
  signal: AbortSignal,
  patience = PATIENCE,
): Promise<ModelAnswer> {
  let interrupted = 0;
  for (let attempt = 0; ; attempt++) {
    if (attempt) await asking.beforeAgain();
    const key = asking.keyFingerprint();
    let told = false;
    const listener = {
      onText: (text: string) => ((told = true), asking.onText(text)),
      onBroken: asking.onBroken,
    };
    try {
      return await model.ask(request, listener, signal);
    } catch (error) {
      signal.throwIfAborted();
      const failure = classifyModelError(error, request.model);
      asking.onFailure(failure);
      if (told) asking.onRestart(failure.type);
      if (failure.kind === "interrupted" && ++interrupted >= patience.interruptedAttempts) {
        throw new ModelCallFailed(
          failure.type,
          `the model's answer broke off ${interrupted} times: try again later`,
          error,
        );
      }
      if (failure.kind === "fatal") {
        await asking.refreshKey();
        const another = failure.type.startsWith("api_key") && asking.keyFingerprint() !== key;
        if (!another) throw new ModelCallFailed(failure.type, failure.message, error);
        continue;
      }
      asking.onRetry?.(failure);
      const wanted = failure.kind === "busy" ? failure.retryAfterMs : undefined;
      await sleep(wanted ?? backOff(attempt, patience), undefined, { signal }).catch(() => {});
      signal.throwIfAborted();
    }
  }
}
