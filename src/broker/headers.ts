import type { IncomingHttpHeaders } from "node:http";

/** What the endpoint needs to know of a request. Not among them: who sends it, with what, from where, and with which credentials. */
const TO_ENDPOINT = ["accept", "anthropic-version", "content-type"];
/** What the agent needs to know of an answer. */
const TO_AGENT = ["content-type", "request-id", "retry-after", "retry-after-ms", "x-should-retry"];
const LIMITS = "anthropic-ratelimit-";

const single = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

export function toEndpoint(headers: IncomingHttpHeaders): Record<string, string> {
  const kept = TO_ENDPOINT.map((name) => [name, single(headers[name])] as const);
  return Object.fromEntries(kept.filter((it): it is [string, string] => it[1] !== undefined));
}

export function toAgent(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => TO_AGENT.includes(name) || name.startsWith(LIMITS));
  return Object.fromEntries(
    kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, single(value) ?? ""]])),
  );
}
