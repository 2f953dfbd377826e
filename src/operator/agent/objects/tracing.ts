import type { OperatorConfig } from "../../config.ts";
import { anyPeers, tcp } from "../../network/egress.ts";

/** OpenTelemetry's own variables, as an agent's runtime reads them (src/runtime/tracing/settings.ts). */
export function tracingEnvironment({ tracing }: OperatorConfig) {
  if (!tracing) return [];
  return [
    { name: "OTEL_EXPORTER_OTLP_ENDPOINT", value: tracing.endpoint },
    { name: "OTEL_TRACES_SAMPLER", value: "parentbased_traceidratio" },
    { name: "OTEL_TRACES_SAMPLER_ARG", value: String(tracing.sampleRatio) },
    ...(tracing.sessionIds ? [{ name: "AGENTPG_TRACE_SESSION_IDS", value: "true" }] : []),
  ];
}

/** The way to the collector, as an egress rule of a NetworkPolicy. */
export function tracingEgress({ tracing }: OperatorConfig) {
  if (!tracing) return [];
  const { protocol, port } = new URL(tracing.endpoint);
  const asWritten = Number(port) || (protocol === "https:" ? 443 : 80);
  return [{ to: tracing.peers.length > 0 ? tracing.peers : anyPeers, ports: tcp(tracing.peerPort ?? asWritten) }];
}
