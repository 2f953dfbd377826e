import { RetryTool, ToolError } from "../tool.ts";

/** The server knows our session no more: it was restarted, or has ended it. */
export class SessionLost extends RetryTool {
  override name = "RetryTool";
  constructor(cause: unknown) {
    super("the MCP server has lost the session; whether the call was made is not known", { cause });
  }
}

export class Unauthorized extends ToolError {
  override name = "ToolError";
}

const MAX_MESSAGE = 1000;
/** Of Node and OpenSSL. */
const NETWORK_CODE = /^(E[A-Z]{3,}|EAI_[A-Z]+|ERR_\w+|UND_ERR_\w+|CERT_\w+|\w+_CERT\w*)$/;

function* chain(error: unknown): Generator<Error & { status?: unknown; code?: unknown }> {
  for (let it = error, depth = 0; it instanceof Error && depth < 8; it = it.cause, depth++) yield it;
}

function ofStatus(status: number, cause: unknown): ToolError {
  if (status === 401)
    return new Unauthorized("the MCP server asks for credentials (HTTP 401): name its token in mcp.tokenSecretRef", {
      cause,
    });
  if (status === 403) return new ToolError("the MCP server forbids it (HTTP 403)", { cause });
  if (status === 404) return new SessionLost(cause);
  const message = `the MCP server answered HTTP ${status}`;
  return status >= 500 || status === 429 ? new RetryTool(message, { cause }) : new ToolError(message, { cause });
}

/** What an error of the SDK or the network is, for the model and for people: nothing of the server's pages, nothing of ours. */
export function explained(error: unknown): ToolError {
  const causes = [...chain(error)];
  const own = causes.find((it) => it instanceof ToolError);
  if (own) return own;
  const status = causes.find((it) => typeof it.status === "number")?.status;
  if (status) return ofStatus(status as number, error);
  const [first] = causes;
  const cause = { cause: error };
  if (first?.name === "InsufficientScopeError") return ofStatus(403, error);
  if (typeof first?.code === "number")
    return new ToolError(`the MCP server refused it: ${first.message.slice(0, MAX_MESSAGE)}`, cause);
  if (first?.code === "REQUEST_TIMEOUT" || first?.name === "TimeoutError")
    return new RetryTool("the MCP server did not answer in time", cause);
  const codes = causes.filter((it) => !it.name.startsWith("Sdk")).map((it) => it.code);
  const code = codes.find((it): it is string => typeof it === "string" && NETWORK_CODE.test(it));
  if (code || first?.code === "CONNECTION_CLOSED" || causes.at(-1)?.message === "fetch failed")
    return new RetryTool(`the MCP server cannot be reached (${code ?? "no connection"})`, cause);
  return new ToolError("the MCP server answered what is not MCP", cause);
}
