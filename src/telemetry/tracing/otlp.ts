import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import { BoundedExport, type CountSpans, type QueueLimits } from "./bounded-export.ts";
import { ChosenId } from "./chosen-id.ts";
import type { AttributeValue, OpenSpan, SpanEnd, SpanStart, TraceParent, Tracer } from "./span.ts";
import { parseTraceParent, traceParent } from "./trace-parent.ts";

// This file is what loads the SDK: it is imported where tracing is on, and only then.

export interface OtlpOptions {
  /** Where spans are posted, with its path. Headers, certificates, time-outs: the exporter reads OTEL_EXPORTER_OTLP_… itself. */
  url: string;
  /** Which part of the traces that begin here is kept, 0 to 1. One that began elsewhere is kept as it was decided there. */
  ratio: number;
  /** What makes the spans; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before. */
  resource: Record<string, string>;
  scope: { name: string; version: string };
  queue: QueueLimits;
  count: CountSpans;
}

const KINDS = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT };

/** A value of whoever wrote a configuration or a model's API is cut here. */
const LONGEST_VALUE = 256;

function contextOf(parent: TraceParent | undefined, isRemote: boolean): Context {
  const parsed = parseTraceParent(parent);
  if (!parsed) return ROOT_CONTEXT;
  const { traceId, spanId, sampled } = parsed;
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote });
}

class SdkSpan<Name extends string> implements OpenSpan<Name> {
  readonly #span: Span;
  readonly traceParent: TraceParent;

  constructor(span: Span) {
    this.#span = span;
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.traceParent = traceParent({ traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 });
  }

  event(name: string, attributes: Partial<Record<Name, AttributeValue>> = {}): void {
    this.#span.addEvent(name, attributes);
  }

  end({ name, attributes, error }: SpanEnd<Name> = {}): void {
    if (name) this.#span.updateName(name);
    if (attributes) this.#span.setAttributes(attributes);
    if (error) this.#span.setAttribute("error.type", error).setStatus({ code: SpanStatusCode.ERROR });
    this.#span.end();
  }
}

/** Spans over OTLP/HTTP, as JSON. A collector that is slow or gone costs nothing but the spans: they are dropped and counted. */
export function otlpTracer<Name extends string>({
  url,
  ratio,
  resource,
  scope,
  queue,
  count,
}: OtlpOptions): Tracer<Name> {
  const ids = new ChosenId();
  const provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanLimits: { attributeValueLengthLimit: LONGEST_VALUE },
    resource: resourceFromAttributes(resource).merge(detectResources({ detectors: [envDetector] })),
    idGenerator: ids,
    spanProcessors: [new BoundedExport(new OTLPTraceExporter({ url }), queue, count)],
  });
  const tracer = provider.getTracer(scope.name, scope.version);
  return {
    start({ name, kind, parent, remote = false, id, startedAt, attributes }: SpanStart<Name>) {
      const options = {
        kind: KINDS[kind],
        attributes,
        // A number would be taken for one of performance.now() if it is from before this process.
        ...(startedAt === undefined ? {} : { startTime: new Date(startedAt) }),
      };
      return new SdkSpan<Name>(ids.during(id, () => tracer.startSpan(name, options, contextOf(parent, remote))));
    },
    async stop(graceMs) {
      const late = new Promise<void>((resolve) => setTimeout(resolve, graceMs).unref());
      await Promise.race([provider.shutdown().catch(() => {}), late]);
    },
  };
}
