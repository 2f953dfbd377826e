import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError } from "../../database/errors.ts";
import type { Logger } from "../../telemetry/log.ts";
import { type AdminOperation, OperationRefused } from "./operation.ts";
import { AdminProblem, inputOf, operationOf } from "./request.ts";

/** How long a caller may leave its answer unread before the operation is given up: it may hold a snapshot of the database. */
const STALLED_MS = 120_000;

/** How long operations get to end when the operator does; their transactions are fenced, so none harms who leads next. */
const CLOSING_MS = 5_000;

export interface AdminServerOptions {
  /** 0: any free one. */
  port: number;
  operations: readonly AdminOperation[];
  /** Who leads instead of this process ("" when it is not known); undefined: this process does. */
  otherLeader(): Promise<string | undefined>;
  logger: Logger;
}

export interface AdminServer {
  port: number;
  /** Aborts what is under way and waits until it has ended. */
  close(): Promise<void>;
}

/**
 * The operator's admin operations, on 127.0.0.1 only: from outside the pod they can be reached through `pods/portforward` and
 * nothing else, so Kubernetes' own access rules decide who may use them (docs/security.md).
 */
export async function serveAdmin(options: AdminServerOptions): Promise<AdminServer> {
  const ending = new AbortController();
  const underWay = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const work = answer(options, request, response, ending.signal).finally(() => underWay.delete(work));
    underWay.add(work);
  });
  server.listen(options.port, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      ending.abort(new Error("the operator ends"));
      const closed = new Promise((resolve) => server.close(resolve));
      await Promise.race([Promise.all(underWay), sleep(CLOSING_MS, undefined, { ref: false })]);
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  options: AdminServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  ending: AbortSignal,
): Promise<void> {
  try {
    const operation = operationOf(request, options.operations);
    const input = await inputOf(request, operation.input);
    const leader = await options.otherLeader();
    if (leader !== undefined)
      throw new AdminProblem(409, `this operator does not lead: ask ${leader || "the one that does"}`, { leader });
    await stream(operation, input, response, ending, options.logger);
  } catch (error) {
    if (!(error instanceof AdminProblem)) options.logger.error({ err: error }, "an admin request failed");
    const problem =
      error instanceof AdminProblem ? error : new AdminProblem(500, "something went wrong: see the operator's log");
    if (response.headersSent) return void response.destroy();
    const body = { type: "about:blank", status: problem.status, detail: problem.message, ...problem.fields };
    response.writeHead(problem.status, { "content-type": "application/problem+json", connection: "close" });
    response.end(JSON.stringify(body));
  }
}

/** Runs the operation; its lines are the answer, and the last one says how it ended. */
async function stream(
  operation: AdminOperation,
  input: unknown,
  response: ServerResponse,
  ending: AbortSignal,
  logger: Logger,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the caller is gone")));
  const signal = AbortSignal.any([gone.signal, ending]);
  response.writeHead(200, { "content-type": "application/jsonl", "cache-control": "no-store" });
  response.flushHeaders();
  logger.info({ operation: operation.name }, "an admin operation begins");
  const emit = async (line: object): Promise<void> => {
    signal.throwIfAborted();
    if (response.write(`${JSON.stringify(line)}\n`)) return;
    await once(response, "drain", { signal: AbortSignal.any([signal, AbortSignal.timeout(STALLED_MS)]) });
  };
  let last: object = { done: true };
  try {
    await operation.run(input, { emit, signal });
  } catch (error) {
    last = { error: told(error) };
    if (!signal.aborted) logger.warn({ operation: operation.name, err: error }, "an admin operation failed");
  }
  response.end(`${JSON.stringify(last)}\n`);
}

/** What the caller learns of an error: our own say what to do and hold no secret; of others nothing is known. */
function told(error: unknown): { reason: string; message: string } {
  if (error instanceof OperationRefused || error instanceof DatabaseError)
    return { reason: error.reason, message: error.message };
  return { reason: "Internal", message: "the operation failed: see the operator's log" };
}
