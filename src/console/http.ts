import type { ConsoleMe, ConsoleProblem } from "../api/console.ts";

/** What the server would not do, or why it could not be reached; `remedy` says what to do. */
export class Failure extends Error {
  readonly status: number;
  readonly remedy: string | undefined;

  constructor({ status, detail, remedy }: Pick<ConsoleProblem, "status" | "detail" | "remedy">) {
    super(detail);
    this.status = status;
    this.remedy = remedy;
  }
}

let csrf = "";
let onSignedOut: () => void = () => {};

/** `listener` hears of each answer that says that nobody is signed in. */
export const whenSignedOut = (listener: () => void): void => {
  onSignedOut = listener;
};

async function ask(method: string, path: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") headers["x-agentpg-csrf"] = csrf;
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  const response = await fetch(
    `/api${path}`,
    body === undefined ? init : { ...init, body: JSON.stringify(body) },
  ).catch(() => {
    throw new Failure({
      status: 0,
      detail: "The console does not answer.",
      remedy: "Look whether the port-forward still runs, or the operator's pods do; the page goes on by itself.",
    });
  });
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as Partial<ConsoleProblem>;
  const { detail = `The server answered ${response.status}.`, remedy } = problem;
  if (response.status === 401) onSignedOut();
  throw new Failure({ status: response.status, detail, ...(remedy === undefined ? {} : { remedy }) });
}

export const get = async <T>(path: string): Promise<T> => (await ask("GET", path)).json() as Promise<T>;

export const post = async <T>(path: string, body: unknown): Promise<T | undefined> => {
  const response = await ask("POST", path, body);
  return response.status === 204 ? undefined : ((await response.json()) as T);
};

/** Who is signed in. From here on, what changes something carries what proves that it comes from this page. */
export async function whoAmI(): Promise<ConsoleMe> {
  const me = await get<ConsoleMe>("/me");
  csrf = me.csrf;
  return me;
}

export const tenantPath = (tenant: string, rest = ""): string => `/tenants/${encodeURIComponent(tenant)}${rest}`;
