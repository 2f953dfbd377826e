import type { IncomingMessage, ServerResponse } from "node:http";
import type { ConsoleRight } from "../../api/console.ts";
import { tenantNamespace } from "../../api/tenant.ts";
import type { Caches } from "../caches.ts";
import { jsonBody } from "./body.ts";
import { type Caller, matched, type Route } from "./call.ts";
import { DATA_HEADERS } from "./headers.ts";
import { Problem } from "./problem.ts";
import { described, type Rights, RIGHTS } from "./rights.ts";
import { setCookie } from "./session-cookie.ts";
import { refuseOtherSites, type SignIn } from "./sign-in.ts";

export interface ApiParts {
  caches: Caches;
  rights: Rights;
  signIn: SignIn;
  routes: readonly Route[];
}

/** ClusterRoles of the chart, named in what is refused. */
const ROLE: Record<ConsoleRight, string> = {
  tenant: "agentpg-console-viewer",
  agents: "agentpg-console-viewer",
  usage: "agentpg-console-viewer",
  sessions: "agentpg-console-viewer",
  transcripts: "agentpg-console-transcripts",
  approvals: "agentpg-console-approver",
  decide: "agentpg-console-approver",
  audit: "agentpg-console-auditor",
};

function send(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  const type = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "content-type": type, ...DATA_HEADERS, ...headers });
  response.end(value === undefined ? undefined : JSON.stringify(value));
}

export const sendProblem = (response: ServerResponse, problem: Problem): void =>
  send(response, problem.status, problem.document, problem.headers);

/** Answers what is below `/api`. @throws Problem and the errors of what it asks */
export async function answerApi(
  parts: ApiParts,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { signIn } = parts;
  const path = url.pathname.slice("/api".length);
  if (request.method !== "GET") refuseOtherSites(request);
  if (path === "/login" && request.method === "POST") {
    const cookie = await signIn.login(request, await jsonBody(request));
    return send(response, 204, undefined, { "set-cookie": cookie });
  }
  if (path === "/logout" && request.method === "POST")
    return send(response, 204, undefined, { "set-cookie": setCookie("", 0) });
  const caller = await signIn.caller(request);
  if (path === "/me" && request.method === "GET") return send(response, 200, await signIn.me(caller));
  const { route, params } = routeOf(parts.routes, path, request.method ?? "");
  if (route.method !== "GET") await signIn.assertOurPage(request, caller);
  if (route.right) await assertMay(parts, caller, route.right, params["tenant"] ?? "");
  const body = route.method === "GET" ? undefined : await jsonBody(request);
  send(response, 200, await route.answer({ caller, params, query: url.searchParams, body }));
}

function routeOf(routes: readonly Route[], path: string, method: string) {
  const segments = path.split("/").filter(Boolean).map(decoded);
  const here = routes.flatMap((route) => {
    const params = matched(route, segments);
    return params ? [{ route, params }] : [];
  });
  const found = here.find(({ route }) => route.method === method);
  if (found) return found;
  if (here.length === 0) throw new Problem(404, "not-found", "there is nothing at this address");
  throw new Problem(405, "method-not-allowed", "this address takes another method", undefined, {
    allow: here.map(({ route }) => route.method).join(", "),
  });
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Problem(400, "malformed-request", "the address is not well formed");
  }
}

/** Asked by name, before anybody looks whether there is such a Tenant: who may not see it does not learn that either. @throws Problem 403 */
async function assertMay(
  { caches, rights }: ApiParts,
  { identity }: Caller,
  right: ConsoleRight,
  name: string,
): Promise<void> {
  const tenant = caches.tenants.get(name);
  const wanted = RIGHTS[right]({ name, namespace: tenant && tenantNamespace(tenant) });
  // Of no namespace, RBAC would say whether somebody may list the Agents of all.
  const needed = tenant || right !== "agents" ? wanted : RIGHTS.tenant({ name, namespace: undefined });
  if (await rights.may(identity, needed)) return;
  throw new Problem(
    403,
    "forbidden",
    `${identity.username} may not ${described(needed)}`,
    `ask whoever looks after the cluster for the ClusterRole ${ROLE[right]}, or one with this right`,
  );
}
