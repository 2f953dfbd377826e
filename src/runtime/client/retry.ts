import { AgentApiError } from "./errors.ts";

/** How long a client goes on trying. */
export interface Patience {
  /** So often in a row without success. */
  attempts: number;
  /** A longer Retry-After is given up on at once. Seconds. */
  longestWait: number;
}

/** Whether the same may work in a moment: nothing answered, or what did says so. */
export const isPassing = (error: unknown): boolean =>
  error instanceof AgentApiError ? [429, 502, 503, 504].includes(error.status) : !(error instanceof SyntaxError);

/** Whether the agent itself, and nothing on the way, has said to come again later. */
export const isPutOff = (error: unknown): boolean =>
  error instanceof AgentApiError && (error.status === 429 || (error.status === 503 && error.code === "unavailable"));

export function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Waits before another attempt, as long as the agent says, else longer from time to time. @throws the error when it is of no use */
export async function beforeNext(
  error: unknown,
  attempt: number,
  { attempts, longestWait }: Patience,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const told = error instanceof AgentApiError ? error.retryAfter : undefined;
  if (!isPassing(error) || attempt >= attempts || (told ?? 0) > longestWait) throw error;
  await wait(told === undefined ? Math.min(100 * 2 ** attempt, 5000) : told * 1000, signal);
}
