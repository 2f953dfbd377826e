import type { Context } from "@opentelemetry/api";
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type Span,
  type SpanExporter,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace";

/** What became of spans: sent; dropped, for too many waited already; or given up, for the collector did not take them in time. */
export type SpanOutcome = "exported" | "dropped" | "failed";
export type CountSpans = (outcome: SpanOutcome, spans: number) => void;

export interface QueueLimits {
  /** Spans that wait or are under way, at most: 2048 are about 4 MiB of memory. */
  most: number;
  /** How long spans are gathered before they are sent, in milliseconds. */
  gatherMs: number;
}

const MOST_IN_A_BATCH = 512;

/** Counts what the exporter is given, and what became of it. */
class CountingExporter implements SpanExporter {
  readonly #inner: SpanExporter;
  readonly #done: (spans: number, sent: boolean) => void;

  constructor(inner: SpanExporter, done: (spans: number, sent: boolean) => void) {
    this.#inner = inner;
    this.#done = done;
  }

  export(spans: ReadableSpan[], callback: (result: ExportResult) => void): void {
    this.#inner.export(spans, (result) => {
      this.#done(spans.length, result.code === ExportResultCode.SUCCESS);
      callback(result);
    });
  }

  async shutdown(): Promise<void> {
    await this.#inner.shutdown();
  }
}

/** The SDK's batches, behind a bound that counts what it turns away: the SDK drops in silence. */
export class BoundedExport implements SpanProcessor {
  readonly #batches: BatchSpanProcessor;
  readonly #count: CountSpans;
  readonly #most: number;
  #waiting = 0;

  constructor(exporter: SpanExporter, { most, gatherMs }: QueueLimits, count: CountSpans) {
    this.#count = count;
    this.#most = most;
    const done = (spans: number, sent: boolean) => {
      this.#waiting -= spans;
      count(sent ? "exported" : "failed", spans);
    };
    this.#batches = new BatchSpanProcessor({
      exporter: new CountingExporter(exporter, done),
      maxQueueSize: most,
      maxExportBatchSize: Math.min(most, MOST_IN_A_BATCH),
      scheduledDelayMillis: gatherMs,
    });
  }

  onStart(span: Span, context: Context): void {
    this.#batches.onStart(span, context);
  }

  onEnd(span: ReadableSpan): void {
    if (this.#waiting >= this.#most) return this.#count("dropped", 1);
    this.#waiting++;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }
  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }
}
