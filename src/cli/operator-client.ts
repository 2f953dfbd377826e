import { Agent, fetch, type Response } from "undici";

/** The operator at the other end is not the leader, so it does nothing. */
export class NotTheLeader extends Error {
  override readonly name = "NotTheLeader";
}

/** The operation was refused or failed; the message is the operator's. */
export class OperationFailed extends Error {
  override readonly name = "OperationFailed";
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Asks an operator at `baseUrl` to do something; the lines that it answers, as they come. Leaving the loop early aborts it.
 * @throws NotTheLeader; OperationFailed with what the operator says; Error when the connection breaks before the end
 */
export async function* callOperation(
  baseUrl: string,
  name: string,
  input: object,
  signal?: AbortSignal,
): AsyncGenerator<Record<string, unknown>> {
  // An operation may be silent for as long as it works.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  try {
    const response = await fetch(`${baseUrl}/v1/operations/${name}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(input),
      dispatcher,
      ...(signal ? { signal } : {}),
    });
    if (!response.ok) throw await refusal(response);
    yield* linesUntilEnd(response);
  } finally {
    await dispatcher.destroy();
  }
}

async function* linesUntilEnd(response: Response): AsyncGenerator<Record<string, unknown>> {
  for await (const text of wholeLines(response)) {
    const line = JSON.parse(text) as Record<string, unknown>;
    // Lines of operations always say more than this.
    const only = Object.keys(line).length === 1;
    if (only && line["done"] === true) return;
    if (only && typeof line["error"] === "object") {
      const { reason, message } = line["error"] as { reason: string; message: string };
      throw new OperationFailed(reason, message);
    }
    yield line;
  }
  throw new Error(BROKEN);
}

/** Lines that ended. @throws Error when the connection breaks */
async function* wholeLines({ body }: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  const chunks = (body as AsyncIterable<Uint8Array> | null)?.[Symbol.asyncIterator]();
  try {
    for (;;) {
      const chunk = await chunks?.next().catch((cause: unknown) => {
        throw new Error(BROKEN, { cause });
      });
      if (!chunk || chunk.done) return;
      const lines = (rest + decoder.decode(chunk.value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } finally {
    await chunks?.return?.().catch(() => {});
  }
}

const BROKEN =
  "the connection to the operator broke before the operation was over: what was done by then stays; run the command again";

async function refusal(response: Response): Promise<Error> {
  const text = await response.text();
  let problem: { detail?: string } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // not ours: something else listens there
  }
  const detail =
    problem.detail ?? `the operator answered ${response.status}: is its version the same as this command's?`;
  if (response.status === 409) return new NotTheLeader(detail);
  return new OperationFailed("Refused", detail);
}
