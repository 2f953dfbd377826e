import type { Rendered } from "../support/chart.ts";
import { type Found, sanitized } from "./discovered.ts";

/** A rule as a monitor has it, and as Prometheus does. */
interface Relabeling {
  sourceLabels?: string[];
  separator?: string;
  regex?: string;
  targetLabel?: string;
  replacement?: string;
  action?: string;
}
interface Endpoint {
  port: string;
  interval: string;
  relabelings?: Relabeling[];
}
interface Monitor {
  metadata: { name: string; namespace: string };
  spec: {
    selector: { matchLabels: Record<string, string> };
    namespaceSelector: { any?: boolean; matchNames?: string[] };
    podMetricsEndpoints?: Endpoint[];
    endpoints?: Endpoint[];
  };
}
export type Rule = Record<string, string | string[]>;

const SNAKE: Record<string, string> = { sourceLabels: "source_labels", targetLabel: "target_label" };
const asPrometheusHas = (rule: Relabeling): Rule =>
  Object.fromEntries(Object.entries(rule).map(([key, value]) => [SNAKE[key] ?? key, value as string]));

const selected = (of: "pod" | "service", labels: Record<string, string>): Rule[] =>
  Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([label, value]) => ({
      action: "keep",
      source_labels: ["label", "labelpresent"].map((it) => `__meta_kubernetes_${of}_${it}_${sanitized(label)}`),
      regex: `(${value});true`,
    }));

const OVER: Rule = { action: "drop", source_labels: ["__meta_kubernetes_pod_phase"], regex: "(Failed|Succeeded)" };
const copied = (from: string, to: string): Rule => ({ source_labels: [`__meta_kubernetes_${from}`], target_label: to });
const targetOf = (kind: string, to: string): Rule => ({
  source_labels: ["kind", "name"].map((it) => `__meta_kubernetes_endpointslice_address_target_${it}`),
  separator: ";",
  regex: `${kind};(.*)`,
  target_label: to,
  replacement: "${1}",
});

/** What Prometheus Operator puts before the rules of a PodMonitor. */
const ofPodMonitor = ({ metadata: { name, namespace }, spec }: Monitor, port: string): Rule[] => [
  { source_labels: ["job"], target_label: "__tmp_prometheus_job_name" },
  OVER,
  ...selected("pod", spec.selector.matchLabels),
  { action: "keep", source_labels: ["__meta_kubernetes_pod_container_port_name"], regex: port },
  copied("namespace", "namespace"),
  copied("pod_container_name", "container"),
  copied("pod_name", "pod"),
  { target_label: "job", replacement: `${namespace}/${name}` },
  { target_label: "endpoint", replacement: port },
];

/** And before those of a ServiceMonitor. */
const ofServiceMonitor = ({ spec }: Monitor, port: string): Rule[] => [
  { source_labels: ["job"], target_label: "__tmp_prometheus_job_name" },
  ...selected("service", spec.selector.matchLabels),
  { action: "keep", source_labels: ["__meta_kubernetes_endpointslice_port_name"], regex: port },
  targetOf("Node", "node"),
  targetOf("Pod", "pod"),
  copied("namespace", "namespace"),
  copied("service_name", "service"),
  copied("pod_name", "pod"),
  copied("pod_container_name", "container"),
  OVER,
  copied("service_name", "job"),
  { target_label: "endpoint", replacement: port },
];

/**
 * The scrape configurations that Prometheus Operator makes of the chart's monitors: its own rules, then the monitor's. Written after
 * the ones that its versions 0.7x and 0.8x generate.
 * @param found what discovery finds in the cluster
 * @param last rules that come after all of them
 */
export function scrapeConfigs(chart: Rendered[], found: { pods: Found[]; endpoints: Found[] }, last: Rule[]): object[] {
  return chart.flatMap((rendered) => {
    const { kind } = rendered;
    if (kind !== "PodMonitor" && kind !== "ServiceMonitor") return [];
    const monitor = rendered as unknown as Monitor;
    const { metadata, spec } = monitor;
    const ofPods = kind === "PodMonitor";
    const { any, matchNames = [metadata.namespace] } = spec.namespaceSelector;
    const inReach = (ofPods ? found.pods : found.endpoints).filter((it) => any || matchNames.includes(it.namespace));
    return ((ofPods ? spec.podMetricsEndpoints : spec.endpoints) ?? []).map(
      ({ port, interval, relabelings = [] }, i) => ({
        job_name: `${ofPods ? "podMonitor" : "serviceMonitor"}/${metadata.namespace}/${metadata.name}/${i}`,
        honor_timestamps: true,
        scrape_interval: interval,
        metrics_path: "/metrics",
        static_configs: inReach.map(({ address, labels }) => ({ targets: [address], labels })),
        relabel_configs: [
          ...(ofPods ? ofPodMonitor : ofServiceMonitor)(monitor, port),
          ...relabelings.map(asPrometheusHas),
          ...last,
        ],
      }),
    );
  });
}
