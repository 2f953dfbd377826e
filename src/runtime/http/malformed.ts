import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import { Problem } from "./problems.ts";

function problemOf(code: string | undefined): Problem {
  if (code === "HPE_HEADER_OVERFLOW")
    return new Problem(431, "the URL and the headers together are longer than 16384 bytes");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new Problem(408, "the request did not arrive in time: send it again");
  return new Problem(400, "this is not an HTTP request that can be read");
}

/** Answers requests that never become any, because they cannot be read or do not arrive, as all others are answered. */
export function answerMalformed(server: Server): void {
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
