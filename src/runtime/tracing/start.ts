import type { RuntimeConfig } from "../config.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import { AgentTracing } from "./agent-tracing.ts";
import type { AttributeName } from "./attributes.ts";
import { traceSettings } from "./settings.ts";

/** Traces of this agent; undefined where nobody collects them: then nothing of OpenTelemetry is loaded. */
export async function startTracing(
  { agent, env }: RuntimeConfig,
  metrics: RuntimeMetrics,
  version: string,
): Promise<AgentTracing | undefined> {
  const settings = traceSettings(env);
  if (!settings) return undefined;
  const { otlpTracer } = await import("../../telemetry/tracing/otlp.ts");
  const { url, ratio, sessionIds, queue } = settings;
  const count = (outcome: string, spans: number) => metrics.traceSpans.inc({ outcome }, spans);
  for (const outcome of ["exported", "dropped", "failed"]) count(outcome, 0);
  const pod = env.AGENTPG_POD_NAME;
  const tracer = otlpTracer<AttributeName>({
    url,
    ratio,
    queue,
    resource: {
      "service.name": agent.agent.name,
      "service.namespace": agent.tenant.name,
      "service.version": version,
      "k8s.namespace.name": agent.tenant.namespace,
      ...(pod ? { "service.instance.id": pod, "k8s.pod.name": pod } : {}),
    },
    scope: { name: "agentpg-runtime", version },
    count,
  });
  return new AgentTracing(tracer, agent, sessionIds);
}
