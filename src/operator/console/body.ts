import type { IncomingMessage } from "node:http";
import { Problem } from "./problem.ts";

/** A token is the largest that is sent here. */
const MOST_BYTES = 65_536;

/** The JSON of a POST. @throws Problem 400, 413, 415 */
export async function jsonBody(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? ""))
    throw new Problem(415, "unsupported-media-type", "the body must be application/json");
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Problem(413, "content-too-large", `the body is larger than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new Problem(400, "malformed-request", "the body is not JSON");
  }
}
