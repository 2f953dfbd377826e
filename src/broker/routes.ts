/** What a call is about; a label of the metrics. */
export const CALL_KINDS = ["message", "count", "batch", "batch-info", "batch-results", "model"] as const;
export type CallKind = (typeof CALL_KINDS)[number];

export interface Route {
  kind: CallKind;
  method: "GET" | "POST";
  /** Path and query at the endpoint. */
  path: string;
  hasBody: boolean;
  /** The model of the path, where it names one. */
  model?: string;
}

const BATCHES = "/v1/messages/batches";
const ID = "[A-Za-z0-9_-]{1,128}";
const BATCH = new RegExp(`^${BATCHES}/${ID}$`);
const BATCH_RESULTS = new RegExp(`^${BATCHES}/${ID}/results$`);
const BATCH_CANCEL = new RegExp(`^${BATCHES}/${ID}/cancel$`);
const LIST_QUERY = new RegExp(`^(?:(?:limit=\\d{1,4}|(?:after|before)_id=${ID})(?:&|$)){1,3}$`);
const MODEL = /^\/v1\/models\/([A-Za-z0-9_.~%-]{1,256})$/;
/** As models are called; no slash, and not only dots. */
const MODEL_NAME = /^(?=.*[A-Za-z0-9])[\w.:@[\]-]{1,128}$/;

const POSTS: Record<string, CallKind> = {
  "/v1/messages": "message",
  "/v1/messages/count_tokens": "count",
  [BATCHES]: "batch",
};

function modelOf(encoded: string | undefined): string | undefined {
  try {
    const name = decodeURIComponent(encoded ?? "");
    return MODEL_NAME.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

function getRoute(path: string, query: string | undefined): Route | undefined {
  const get = { method: "GET" as const, hasBody: false };
  if (path === BATCHES && (query === undefined || LIST_QUERY.test(query)))
    return { ...get, kind: "batch-info", path: query === undefined ? path : `${path}?${query}` };
  if (query !== undefined) return undefined;
  if (BATCH.test(path)) return { ...get, kind: "batch-info", path };
  if (BATCH_RESULTS.test(path)) return { ...get, kind: "batch-results", path };
  const model = modelOf(MODEL.exec(path)?.[1]);
  return model === undefined
    ? undefined
    : { ...get, kind: "model", path: `/v1/models/${encodeURIComponent(model)}`, model };
}

/**
 * What the runtime asks of the Messages API, and nothing else: the broker passes no other call on. Pure.
 * @param url as it came: path and query
 */
export function routeOf(method: string | undefined, url: string | undefined): Route | undefined {
  const [path = "", query, ...more] = (url ?? "").split("?");
  if (more.length > 0) return undefined;
  if (method === "GET") return getRoute(path, query);
  if (method !== "POST" || query !== undefined) return undefined;
  const kind = Object.hasOwn(POSTS, path) ? POSTS[path] : undefined;
  if (kind) return { kind, method, path, hasBody: true };
  return BATCH_CANCEL.test(path) ? { kind: "batch-info", method, path, hasBody: false } : undefined;
}
