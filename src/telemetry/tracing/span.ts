/** Where in which trace something is, and whether it is kept: `traceparent` of W3C Trace Context, `00-<trace>-<span>-<flags>`. */
export type TraceParent = string;

export type AttributeValue = string | number | boolean | string[];

export interface SpanStart<Name extends string> {
  name: string;
  kind: "internal" | "server" | "client";
  /** Left out: a trace begins here. */
  parent?: TraceParent | undefined;
  /** The parent is in another process. */
  remote?: boolean;
  /** 16 hex digits, of a span that is spoken of before it begins; random when left out. */
  id?: string;
  /** Milliseconds since the epoch; now when left out. */
  startedAt?: number;
  attributes: Partial<Record<Name, AttributeValue>>;
}

export interface SpanEnd<Name extends string> {
  /** What it is called now that more is known; left out: as before. */
  name?: string | undefined;
  attributes?: Partial<Record<Name, AttributeValue>>;
  /** What kind of failure it ended with, as `error.type` says it; never a text that came from outside. */
  error?: string | undefined;
}

/** A span that has begun. One that is not kept takes all calls and does nothing. */
export interface OpenSpan<Name extends string> {
  /** For what happens within it. */
  readonly traceParent: TraceParent;
  event(name: string, attributes?: Partial<Record<Name, AttributeValue>>): void;
  end(end?: SpanEnd<Name>): void;
}

/** Makes spans, and brings them to a collector. Nothing here throws or waits. */
export interface Tracer<Name extends string> {
  start(span: SpanStart<Name>): OpenSpan<Name>;
  /** Sends what there is. Settles within so many milliseconds, whatever the collector does. */
  stop(graceMs: number): Promise<void>;
}
