import type { AttributeValue } from "../../telemetry/tracing/span.ts";

/**
 * All that a span may say, and what it means. Names of OpenTelemetry's semantic conventions, 1.41 (GenAI: in development); ours begin
 * with `agentpg`. The table of docs/observability.md is made from this. Nothing that anybody said, no user, no secret is among them.
 */
export const ATTRIBUTES = {
  "gen_ai.operation.name": "`invoke_agent`, `chat` or `execute_tool`.",
  "gen_ai.provider.name": "`anthropic`.",
  "gen_ai.agent.name": "The Agent.",
  "gen_ai.agent.id": "The Agent's UID.",
  "gen_ai.conversation.id": "The session. Only where session ids are allowed (`tracing.sessionIds`).",
  "gen_ai.request.model": "The model that was asked for.",
  "gen_ai.request.max_tokens": "The most that it may answer, in tokens.",
  "gen_ai.response.model": "The model that answered.",
  "gen_ai.response.id": "The API's name for the answer.",
  "gen_ai.response.finish_reasons": "Why it ended, in the API's words: `end_turn`, `tool_use`, …",
  "gen_ai.usage.input_tokens":
    "Tokens of input, with those read from the cache and written to it; of a run: of all its calls.",
  "gen_ai.usage.output_tokens": "Tokens of output; of a run: of all its calls.",
  "gen_ai.usage.cache_read.input_tokens": "Of the input: read from the cache.",
  "gen_ai.usage.cache_creation.input_tokens": "Of the input: written to the cache.",
  "gen_ai.tool.name": "The tool.",
  "gen_ai.tool.type": "`function`.",
  "gen_ai.tool.call.id": "The model's name for the call.",
  "error.type":
    "What kind of failure it ended with; only then is the status an error. Of a run and a model call the types that [metrics](metrics.md) use, of a tool `error` or `timeout`, of a request its status code.",
  "http.request.method": "The method.",
  "http.route": "The route with its placeholders.",
  "http.response.status_code": "The status; absent when the caller left before there was one.",
  "url.scheme": "`http`.",
  "url.path": "The route with its placeholders: ids are left out.",
  "server.address": "The host of the Messages API.",
  "server.port": "Its port.",
  "agentpg.tenant": "The Tenant.",
  "agentpg.run.id": "The run, as the API names it.",
  "agentpg.run.state": "How it ended: `completed`, `failed`, `cancelled`.",
  "agentpg.run.claims": "How often work on it was begun: more than once after it waited, or when its pod had gone.",
  "agentpg.run.iterations": "Calls of the model.",
  "agentpg.tool.kind": "`sql`, `http`, `mcp`, `agent` and the like.",
  "agentpg.tool.attempts": "How often it was called.",
  "agentpg.stopped":
    "Why work broke off: `cancelled`, `timeout`, `handback` (its process had to end), `lost` (another has the run).",
} as const;

export type AttributeName = keyof typeof ATTRIBUTES;
export type Attributes = Partial<Record<AttributeName, AttributeValue>>;
