import type { Request, RequestHandler } from "express";
import type { z } from "zod";
import { Problem } from "./problems.ts";

const pointer = (path: PropertyKey[]): string =>
  `#${path.map((it) => `/${String(it).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("")}`;
/** Names come from the caller too: no longer than they have to be. */
const short = (text: string): string => (text.length > 64 ? `${text.slice(0, 64)}…` : text);

/** Where callers name entries themselves, zod drops one of this name without a word. @throws Problem 400 */
function refuseProto(body: object): void {
  for (const [field, value] of Object.entries(body)) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, "__proto__")) continue;
    const detail = `${field}.__proto__: an entry cannot have this name: take another`;
    throw new Problem(400, detail, {}, { code: "invalid-field", field: pointer([field, "__proto__"]) });
  }
}

/** The body, as the schema has it. @throws Problem 400, or 422 for a field that nobody knows */
export function bodyOf<T extends z.ZodType>(schema: T, req: Request): z.output<T> {
  const body: unknown = req.body === undefined ? {} : req.body;
  const parsed = schema.safeParse(body);
  if (parsed.success) {
    refuseProto(body as object);
    return parsed.data;
  }
  const issue = parsed.error.issues[0] as z.core.$ZodIssue;
  if (issue.code === "unrecognized_keys") {
    const key = short(issue.keys[0] ?? "");
    throw new Problem(
      422,
      `${[...issue.path, key].join(".")}: there is no such field`,
      {},
      { code: "unknown-field", field: pointer([...issue.path, key]) },
    );
  }
  const path = issue.path.map((it) => (typeof it === "string" ? short(it) : it));
  throw new Problem(
    400,
    `${path.join(".") || "body"}: ${issue.message}`,
    {},
    { code: "invalid-field", field: pointer(path) },
  );
}

/** The query's parameters, as the schema has them. @throws Problem 400 */
export function queryOf<T extends z.ZodType>(schema: T, req: Request): z.output<T> {
  const parsed = schema.safeParse(req.query);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0] as z.core.$ZodIssue;
  const unknown = issue.code === "unrecognized_keys";
  const name = short(unknown ? (issue.keys[0] ?? "") : String(issue.path[0] ?? ""));
  const detail = unknown ? `${name}: there is no such parameter` : `${name || "query"}: ${issue.message}`;
  throw new Problem(400, detail, {}, { code: "invalid-parameter", field: `?${name}` });
}

const ACCEPTABLE = /\*\/\*|\bapplication\/(\*|json|problem\+json)|\btext\/(\*|event-stream)/i;

/** Refuses what no route could read or answer. */
export const checkedMedia: RequestHandler = (req, _res, next) => {
  const { accept, "content-type": type, "content-length": length, "transfer-encoding": chunked } = req.headers;
  if (accept !== undefined && !ACCEPTABLE.test(accept))
    throw new Problem(406, "Accept: this API gives application/json and text/event-stream", {}, { field: "Accept" });
  const hasBody = (length !== undefined && length !== "0") || chunked !== undefined;
  if (hasBody && req.method !== "GET" && !/^application\/json(\s*;|\s*$)/i.test(type ?? ""))
    throw new Problem(415, "Content-Type: send application/json", {}, { field: "Content-Type" });
  next();
};

/** For the routes that give nothing but events. @throws Problem 406 */
export function mustTakeEvents(req: Request): void {
  const { accept } = req.headers;
  if (accept !== undefined && !/\*\/\*|\btext\/(\*|event-stream)/i.test(accept))
    throw new Problem(406, "Accept: this is text/event-stream", {}, { field: "Accept" });
}
