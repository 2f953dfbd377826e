import type { RequestListener, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { Problem } from "./problems.ts";

function problemOf(code: string | undefined): Problem {
  if (code === "HPE_HEADER_OVERFLOW")
    return new Problem(431, "the URL and the headers together are longer than 16384 bytes");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new Problem(408, "the request did not arrive in time: send it again");
  return new Problem(400, "this is not an HTTP request that can be read");
}

function refuse(response: ServerResponse, { document }: Problem): void {
  const body = JSON.stringify(document);
  response.writeHead(document.status, {
    "content-type": "application/problem+json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}

/** Before the app: what a server with `requireHostHeader` would answer with an empty 400. */
export const withHost =
  (app: RequestListener): RequestListener =>
  (request, response) => {
    if (request.headers.host !== undefined || request.httpVersion === "1.0") return app(request, response);
    refuse(response, new Problem(400, "Host: HTTP/1.1 needs this header", {}, { field: "Host" }));
  };

/** Answers requests that never become any, because they cannot be read or do not arrive, as all others are answered. */
export function answerMalformed(server: Server): void {
  server.on("checkExpectation", (_request, response: ServerResponse) => {
    const detail = "Expect: 100-continue is all that can be met: leave the header out";
    refuse(response, new Problem(417, detail, {}, { field: "Expect" }));
  });
  server.on("clientError", (error: Error & { code?: string }, socket: Duplex) => {
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
    const { document } = problemOf(error.code);
    const body = JSON.stringify(document);
    socket.end(
      `HTTP/1.1 ${document.status} ${document.title}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  });
}
