import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { DEPLOYMENT, POD, SERVICE } from "../../src/kubernetes/resource-kind.ts";
import { brokerDeployment } from "../../src/operator/tenant/objects/broker/deployment.ts";
import { applyChart, type Rendered } from "../support/chart.ts";
import { eventually } from "../support/eventually.ts";
import { anOperatorConfig, madeTenant } from "../support/made-objects.ts";

// There are no nodes: the pods stand in the API server as they would. Debian's Prometheus is built without discovery in Kubernetes, so
// what that finds is read here, and described by the meta labels of Prometheus' documentation (kubernetes_sd_config).

const ENDPOINT_SLICE = {
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  namespaced: true,
};
const FIELD_MANAGER = { fieldManager: "test" };
/** Of the documentation's network (RFC 5737): nothing is there. */
const address = (n: number) => `192.0.2.${n}`;

type Deployment = KubernetesObject & {
  spec: { template: { metadata: { labels: Record<string, string> }; spec: object } };
};
type Pod = KubernetesObject & {
  spec: { containers: { name: string; ports?: { name?: string; containerPort: number }[] }[] };
  status?: { phase?: string; podIP?: string };
};
type EndpointSlice = KubernetesObject & {
  ports: { name?: string; port: number }[];
  endpoints: { addresses: string[]; targetRef?: { kind: string; name: string } }[];
};

/** A pod of an Agent, from the Deployment that the operator made. @returns its name */
export async function aPodOf(
  client: KubernetesClient,
  { namespace, agent, n, phase = "Running" }: { namespace: string; agent: string; n: number; phase?: string },
): Promise<string> {
  const made = () => client.get<Deployment>(DEPLOYMENT, `agent-${agent}`, namespace).catch(() => undefined);
  const { spec } = (await eventually(made, (it) => it !== undefined)) as Deployment;
  const name = `agent-${agent}-${n}`;
  const { labels } = spec.template.metadata;
  await client.apply(POD, { metadata: { name, namespace, labels }, spec: spec.template.spec }, FIELD_MANAGER);
  const status = { phase, podIP: address(n), podIPs: [{ ip: address(n) }] };
  await client.mergePatch(POD, name, namespace, { status }, "status");
  return name;
}

/** A pod of a Tenant's key broker, as the operator would have it made. @returns its name */
export async function aBrokerPodOf(client: KubernetesClient, tenant: string, n: number): Promise<string> {
  const { object } = brokerDeployment(madeTenant(tenant), anOperatorConfig(), "broker");
  const { metadata, spec } = (object as unknown as Deployment).spec.template;
  const name = `agentpg-broker-${n}`;
  // There is no controller that makes an account `default`.
  const own = { ...spec, serviceAccountName: "agent-support" };
  await client.apply(POD, { metadata: { name, namespace: tenant, labels: metadata.labels }, spec: own }, FIELD_MANAGER);
  const status = { phase: "Running", podIP: address(n), podIPs: [{ ip: address(n) }] };
  await client.mergePatch(POD, name, tenant, { status }, "status");
  return name;
}

/** The operator's Service of the chart, with a pod behind it. @returns the pod's name */
export async function operatorBehindService(client: KubernetesClient, chart: Rendered[], n: number): Promise<string> {
  await applyChart(client, chart, ["Service"]);
  const pod = `agentpg-${n}`;
  const namespace = "agentpg-system";
  const slice = {
    metadata: { name: "agentpg-metrics-1", namespace, labels: { "kubernetes.io/service-name": "agentpg-metrics" } },
    addressType: "IPv4",
    ports: [{ name: "metrics", port: 9090, protocol: "TCP" }],
    endpoints: [
      {
        addresses: [address(n)],
        conditions: { ready: true },
        targetRef: { kind: "Pod", name: pod, namespace },
      },
    ],
  };
  await client.apply(ENDPOINT_SLICE, slice, FIELD_MANAGER);
  return pod;
}

/** One address that discovery finds, with what it tells of it. */
export interface Found {
  namespace: string;
  address: string;
  labels: Record<string, string>;
}

/** As Prometheus names a label in its meta labels. */
export const sanitized = (label: string): string => label.replaceAll(/[^a-zA-Z0-9_]/g, "_");

const META = "__meta_kubernetes";
const labelsOf = (of: "pod" | "service", { metadata }: KubernetesObject): Record<string, string> =>
  Object.fromEntries(
    Object.entries(metadata.labels ?? {}).flatMap(([label, value]) => [
      [`${META}_${of}_label_${sanitized(label)}`, value],
      [`${META}_${of}_labelpresent_${sanitized(label)}`, "true"],
    ]),
  );

/** Role `pod`: an address for each port of each container. */
export async function foundPods(client: KubernetesClient): Promise<Found[]> {
  const pods = await client.list<Pod>(POD);
  return pods.flatMap((pod) => {
    const { name, namespace = "" } = pod.metadata;
    const { phase = "", podIP } = pod.status ?? {};
    return pod.spec.containers.flatMap((container) =>
      (container.ports ?? []).map((port) => ({
        namespace,
        address: `${podIP}:${port.containerPort}`,
        labels: {
          [`${META}_namespace`]: namespace,
          [`${META}_pod_name`]: name,
          [`${META}_pod_phase`]: phase,
          [`${META}_pod_container_name`]: container.name,
          [`${META}_pod_container_port_name`]: port.name ?? "",
          ...labelsOf("pod", pod),
        },
      })),
    );
  });
}

/** Role `endpointslice`: an address for each port of each endpoint, with the labels of the Service. */
export async function foundEndpoints(client: KubernetesClient): Promise<Found[]> {
  const slices = await client.list<EndpointSlice>(ENDPOINT_SLICE);
  const all = slices.map(async ({ metadata: { namespace = "", labels }, ports, endpoints }) => {
    const service = labels?.["kubernetes.io/service-name"] ?? "";
    const behind = await client.get(SERVICE, service, namespace);
    return endpoints.flatMap(({ addresses, targetRef }) =>
      ports.map(({ name = "", port }) => ({
        namespace,
        address: `${addresses[0]}:${port}`,
        labels: {
          [`${META}_namespace`]: namespace,
          [`${META}_service_name`]: service,
          [`${META}_endpointslice_port_name`]: name,
          [`${META}_endpointslice_address_target_kind`]: targetRef?.kind ?? "",
          [`${META}_endpointslice_address_target_name`]: targetRef?.name ?? "",
          // Of the pod behind it, which only a node would have.
          [`${META}_pod_name`]: targetRef?.name ?? "",
          [`${META}_pod_container_name`]: "operator",
          [`${META}_pod_phase`]: "Running",
          ...labelsOf("service", behind),
        },
      })),
    );
  });
  return (await Promise.all(all)).flat();
}
