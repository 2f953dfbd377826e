import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import type { AdminOperation } from "./operation.ts";

/** The largest body that is read, in bytes. */
const MAX_BODY = 1 << 20;

/** An answer that is not what was asked for: RFC 9457. */
export class AdminProblem extends Error {
  override readonly name = "AdminProblem";
  readonly status: number;
  readonly fields: Record<string, unknown>;

  constructor(status: number, detail: string, fields: Record<string, unknown> = {}) {
    super(detail);
    this.status = status;
    this.fields = fields;
  }
}

/**
 * A port-forward comes from 127.0.0.1 and names it. A web page on the administrator's machine that goes to the forwarded port
 * names itself as the origin, or (DNS rebinding) its own name as the host.
 */
function refuseBrowsers({ headers }: IncomingMessage): void {
  if (headers.origin !== undefined)
    throw new AdminProblem(403, "requests of web pages (header Origin) are refused: use the agentpg command");
  if (!/^(localhost|127\.0\.0\.1)(:\d{1,5})?$/i.test(headers.host ?? ""))
    throw new AdminProblem(403, "the Host header must be localhost or 127.0.0.1: use the agentpg command");
}

/** The operation that the request names. @throws AdminProblem */
export function operationOf(request: IncomingMessage, operations: readonly AdminOperation[]): AdminOperation {
  refuseBrowsers(request);
  const name = /^\/v1\/operations\/([a-z][a-z0-9-]*)$/.exec(request.url ?? "")?.[1];
  const operation = operations.find((it) => it.name === name);
  if (!operation) {
    const known = operations.map((it) => it.name).join(", ");
    throw new AdminProblem(404, `there is no such operation here; known are: ${known || "none"}`);
  }
  if (request.method !== "POST") throw new AdminProblem(405, "an operation is asked for with POST");
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? ""))
    throw new AdminProblem(415, "the body must be application/json");
  return operation;
}

/** The body, as the operation wants it. @throws AdminProblem that names the field */
export async function inputOf(request: IncomingMessage, schema: z.ZodType): Promise<unknown> {
  let body: unknown;
  try {
    body = JSON.parse(await bodyOf(request));
  } catch (error) {
    if (error instanceof AdminProblem) throw error;
    throw new AdminProblem(400, "the body is not JSON");
  }
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.join(".") || "body";
  throw new AdminProblem(400, `${field}: ${issue?.message ?? "is wrong"}`, { field });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new AdminProblem(413, `the body is larger than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
