import { Agent, request } from "undici";

type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * `fetch` for the SDK, over undici's `request`: a streamed answer comes as the chunks of its socket. The platform's own fetch puts
 * each through web streams and costs five times the processor time of the call itself (0.9 ms against 0.2 ms).
 * Only what the SDK asks of a response is there while it streams; an answer that is no success is a real `Response`.
 */
export function modelFetch(): Fetch {
  // As many connections as there are calls; HTTP/1.1, because one stalled HTTP/2 connection would stall all runs.
  const dispatcher = new Agent({ keepAliveTimeout: 30_000, headersTimeout: 0, bodyTimeout: 0, pipelining: 1 });
  return async (url, init = {}) => {
    const { statusCode, headers, body } = await request(String(url), {
      dispatcher,
      method: (init.method ?? "GET") as "GET",
      headers: plain(init.headers),
      body: (init.body ?? null) as string | null,
      signal: init.signal ?? null,
    });
    const known = new Headers();
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) known.set(name, String(value));
    const streams = statusCode < 300 && known.get("content-type")?.startsWith("text/event-stream");
    if (streams) return { ok: true, status: statusCode, headers: known, url: String(url), body } as unknown as Response;
    const bare = statusCode === 204 || statusCode === 205 || statusCode === 304;
    return new Response(bare ? null : await body.text(), { status: statusCode, headers: known });
  };
}

function plain(headers: RequestInit["headers"]): Record<string, string> {
  return headers instanceof Headers ? Object.fromEntries(headers) : ((headers ?? {}) as Record<string, string>);
}
