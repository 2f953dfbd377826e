import { AsyncLocalStorage } from "node:async_hooks";
import { DatabaseError } from "../../database/errors.ts";
import { ApiError, ApiUnreachable } from "../../kubernetes/errors.ts";
import type { TraceParent, Tracer } from "../../telemetry/tracing/span.ts";

/** What a span of the operator may say. Names of objects and servers; never what is in them. */
export interface SpanAttributes {
  /** The key of what is reconciled: `name`, or `namespace/name`. */
  "agentpg.key"?: string;
  /** The database server, as the operator's configuration names it. */
  "agentpg.server"?: string;
  "http.request.method"?: string;
}
export type AttributeName = keyof SpanAttributes;

export interface Work {
  name: string;
  kind?: "internal" | "client";
  attributes?: SpanAttributes;
}

/** What the operator does, as spans: each within the one that it is called from. */
export interface Spans {
  /** Does the work in a span that begins a trace. It throws what the work throws. */
  within<T>(work: Work, run: () => Promise<T>): Promise<T>;
  /** The same in a span of the trace that is under way; without one where there is none. */
  part<T>(work: Work, run: () => Promise<T>): Promise<T>;
  /** Sends what there is. Settles within so many milliseconds, whatever the collector does. */
  stop(graceMs: number): Promise<void>;
}

/** Where nobody collects traces. */
export const noSpans: Spans = {
  within: (_work, run) => run(),
  part: (_work, run) => run(),
  stop: () => Promise.resolve(),
};

/** The kind of an error, from a bounded list: its text may hold anything. */
export function errorKind(error: unknown): string {
  if (error instanceof DatabaseError) return error.reason;
  if (error instanceof ApiError) return String(error.status);
  if (error instanceof ApiUnreachable) return "ApiUnreachable";
  return "_OTHER";
}

export class TracedWork implements Spans {
  readonly #tracer: Tracer<AttributeName>;
  readonly #under = new AsyncLocalStorage<TraceParent>();

  constructor(tracer: Tracer<AttributeName>) {
    this.#tracer = tracer;
  }

  within<T>(work: Work, run: () => Promise<T>): Promise<T> {
    return this.#done(work, undefined, run);
  }

  part<T>(work: Work, run: () => Promise<T>): Promise<T> {
    const parent = this.#under.getStore();
    return parent === undefined ? run() : this.#done(work, parent, run);
  }

  async #done<T>(
    { name, kind = "internal", attributes = {} }: Work,
    parent: TraceParent | undefined,
    run: () => Promise<T>,
  ): Promise<T> {
    const span = this.#tracer.start({ name, kind, parent, attributes });
    try {
      const result = await this.#under.run(span.traceParent, run);
      span.end();
      return result;
    } catch (error) {
      span.end({ error: errorKind(error) });
      throw error;
    }
  }

  stop(graceMs: number): Promise<void> {
    return this.#tracer.stop(graceMs);
  }
}
