import { randomUUID } from "node:crypto";
import express, { type ErrorRequestHandler } from "express";
import { listen } from "../listen.ts";

/**
 * Whether an error's inside stays inside: sends a request over loopback to a route that fails with planted words, through the
 * handler that all errors pass, and looks for them in the whole answer. null: it could not be tried.
 */
export async function errorsAreRedacted(handler: ErrorRequestHandler): Promise<boolean | null> {
  const planted = randomUUID();
  const app = express().disable("x-powered-by");
  app.get("/", () => {
    throw Object.assign(new Error(`postgres://agent:${planted}@db at /app/src/${planted}.ts`), { detail: planted });
  });
  app.use(handler);
  try {
    const server = await listen(app, 0, "127.0.0.1");
    try {
      const response = await fetch(`http://127.0.0.1:${server.port}/`, { signal: AbortSignal.timeout(5_000) });
      const answer = JSON.stringify([...response.headers]) + (await response.text());
      return response.status === 500 && !answer.includes(planted) && !answer.includes("/app/");
    } finally {
      await server.close(0);
    }
  } catch {
    return null;
  }
}
