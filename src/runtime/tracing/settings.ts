import { z } from "zod";

const address = z
  .url({ protocol: /^https?$/, error: "must be an http:// or https:// URL, for example http://collector.tracing:4318" })
  .optional();
const protocol = z.enum(["http/json", "http/protobuf"], {
  error: "must be http/json: agents do not speak gRPC. A collector takes it on port 4318",
});
const SAMPLERS = ["parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"] as const;

/** OpenTelemetry's own variables, as far as they are ours to obey; the exporter reads OTEL_EXPORTER_OTLP_HEADERS and the like itself. */
export const TRACING_ENVIRONMENT = {
  OTEL_SDK_DISABLED: z.string().optional(),
  OTEL_TRACES_EXPORTER: z.enum(["otlp", "none"], { error: "must be otlp or none" }).default("otlp"),
  OTEL_EXPORTER_OTLP_ENDPOINT: address,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: address,
  // A collector takes both at the same address: what is asked for as protobuf comes as JSON.
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol.optional(),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol.optional(),
  OTEL_TRACES_SAMPLER: z
    .enum(SAMPLERS, { error: `must be one of ${SAMPLERS.join(", ")}: a trace is kept whole or not at all` })
    .default("parentbased_always_on"),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number({ error: "must be a number from 0 to 1" })
    .min(0, "must be a number from 0 to 1")
    .max(1, "must be a number from 0 to 1")
    .default(1),
  OTEL_BSP_MAX_QUEUE_SIZE: z.coerce.number().int().min(1).max(100_000).default(2048),
  OTEL_BSP_SCHEDULE_DELAY: z.coerce.number().int().min(10).max(60_000).default(2000),
  AGENTPG_TRACE_SESSION_IDS: z.enum(["true", "false"]).default("false"),
};

type Environment = z.infer<z.ZodObject<typeof TRACING_ENVIRONMENT>>;

export interface TraceSettings {
  /** Where spans are posted, with its path. */
  url: string;
  /** Which part of the traces that begin here is kept, 0 to 1. */
  ratio: number;
  /** Whether spans say of which session they are. */
  sessionIds: boolean;
  /** Spans that may wait or be under way, and how long they are gathered, in milliseconds. */
  queue: { most: number; gatherMs: number };
}

const TRACES_PATH = "v1/traces";

/** Undefined: nobody collects traces. */
export function traceSettings(env: Environment): TraceSettings | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_TRACES_SAMPLER: sampler } = env;
  const url = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? (base && `${base.replace(/\/$/, "")}/${TRACES_PATH}`);
  if (!url || env.OTEL_TRACES_EXPORTER === "none" || env.OTEL_SDK_DISABLED?.toLowerCase() === "true") return undefined;
  const ratios = {
    parentbased_always_on: 1,
    parentbased_always_off: 0,
    parentbased_traceidratio: env.OTEL_TRACES_SAMPLER_ARG,
  };
  const queue = { most: env.OTEL_BSP_MAX_QUEUE_SIZE, gatherMs: env.OTEL_BSP_SCHEDULE_DELAY };
  return { url, ratio: ratios[sampler], sessionIds: env.AGENTPG_TRACE_SESSION_IDS === "true", queue };
}
