import type { Logger } from "../../telemetry/log.ts";
import type { OperatorConfig } from "../config.ts";
import { type AttributeName, noSpans, type Spans, TracedWork } from "./spans.ts";

/** About 4 MiB of memory at most, sent every two seconds. */
const QUEUE = { most: 2048, gatherMs: 2000 };

/** Traces of the operator itself, where they are asked for; else nothing of OpenTelemetry is loaded. */
export async function startSpans(config: OperatorConfig, identity: string, logger: Logger): Promise<Spans> {
  const { tracing } = config;
  if (!tracing?.operator) return noSpans;
  const { otlpTracer } = await import("../../telemetry/tracing/otlp.ts");
  let isTold = false;
  const tracer = otlpTracer<AttributeName>({
    url: `${tracing.endpoint.replace(/\/+$/, "")}/v1/traces`,
    ratio: tracing.sampleRatio,
    queue: QUEUE,
    resource: {
      "service.name": "agentpg-operator",
      "service.instance.id": identity,
      "k8s.namespace.name": config.namespace,
    },
    scope: { name: "agentpg-operator", version: "0" },
    count(outcome, spans) {
      if (outcome !== "exported" && !isTold)
        logger.warn({ outcome, spans }, "the collector does not take the operator's traces");
      isTold = outcome !== "exported";
    },
  });
  return new TracedWork(tracer);
}
