import { RetryTool, ToolError } from "../tool.ts";

/** The server knows our session no more: it was restarted, or has ended it. */
export class SessionLost extends RetryTool {
  override name = "RetryTool";
  constructor(cause: unknown) {
    super("the MCP server has lost the session; whether the call was made is not known", { cause });
  }
}

const MAX_MESSAGE = 1000;

function* chain(error: unknown): Generator<Error & { status?: unknown; code?: unknown }> {
  for (let it = error, depth = 0; it instanceof Error && depth < 8; it = it.cause, depth++) yield it;
}

function ofStatus(status: number, cause: unknown): ToolError {
  if (status === 401)
    return new ToolError("the MCP server asks for credentials (HTTP 401): it has to be open to this agent", { cause });
  if (status === 403) return new ToolError("the MCP server forbids it (HTTP 403)", { cause });
  if (status === 404) return new SessionLost(cause);
  const message = `the MCP server answered HTTP ${status}`;
  return status >= 500 || status === 429 ? new RetryTool(message, { cause }) : new ToolError(message, { cause });
}

/** What an error of the SDK or the network is, for the model and for people: nothing of the server's pages, nothing of ours. */
export function explained(error: unknown): ToolError {
  const causes = [...chain(error)];
  const own = causes.find((it) => it instanceof ToolError);
  if (own) return own as ToolError;
  const status = causes.find((it) => typeof it.status === "number")?.status;
  if (status) return ofStatus(status as number, error);
  const [first] = causes;
  const cause = { cause: error };
  if (first?.name === "InsufficientScopeError") return ofStatus(403, error);
  if (typeof first?.code === "number")
    return new ToolError(`the MCP server refused it: ${first.message.slice(0, MAX_MESSAGE)}`, cause);
  if (first?.code === "REQUEST_TIMEOUT" || first?.name === "TimeoutError")
    return new RetryTool("the MCP server did not answer in time", cause);
  const code = causes.map((it) => it.code).find((it) => typeof it === "string" && /^[A-Z0-9_]{3,48}$/.test(it));
  if (code || first?.message === "fetch failed")
    return new RetryTool(`the MCP server cannot be reached (${String(code ?? "no connection")})`, cause);
  return new ToolError("the MCP server answered what is not MCP", cause);
}
