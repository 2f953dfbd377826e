import type { ConsoleRight } from "../../api/console.ts";
import type { Identity } from "./identity.ts";

/** Who asks, and how they proved it. */
export interface Caller {
  identity: Identity;
  token: string;
  via: "cookie" | "header";
  /** Seconds since the epoch; undefined: the token does not say. */
  expires: number | undefined;
}

/** A request that may be answered: its caller has the route's right. */
export interface Call {
  caller: Caller;
  /** Of the path's `:names`. */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
  /** JSON of a POST; undefined of a GET. */
  body: unknown;
}

export interface Route {
  method: "GET" | "POST";
  /** Below `/api`, with `:name` for a segment. A route with a right has `:tenant`. */
  path: string;
  /** What the caller has to have of the tenant; null: to be somebody is enough. */
  right: ConsoleRight | null;
  /** What it gives is sent as JSON. @throws Problem, DatabaseError, ApiError */
  answer(call: Call): Promise<unknown>;
}

/** The parameters, when the path is this route's. */
export function matched(
  { path }: Pick<Route, "path">,
  segments: readonly string[],
): Record<string, string> | undefined {
  const parts = path.split("/").filter(Boolean);
  if (parts.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    const segment = segments[i] ?? "";
    if (part.startsWith(":")) params[part.slice(1)] = segment;
    else if (part !== segment) return undefined;
  }
  return params;
}
