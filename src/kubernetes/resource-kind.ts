/** What the API server has to be told of a kind: enough to build its paths. */
export interface ResourceKind {
  apiVersion: string;
  kind: string;
  plural: string;
  namespaced: boolean;
}

const kind = (apiVersion: string, name: string, plural: string, namespaced = true): ResourceKind => ({
  apiVersion,
  kind: name,
  plural,
  namespaced,
});

export const NAMESPACE = kind("v1", "Namespace", "namespaces", false);
export const CONFIG_MAP = kind("v1", "ConfigMap", "configmaps");
export const SECRET = kind("v1", "Secret", "secrets");
export const SERVICE = kind("v1", "Service", "services");
export const SERVICE_ACCOUNT = kind("v1", "ServiceAccount", "serviceaccounts");
export const POD = kind("v1", "Pod", "pods");
export const EVENT = kind("v1", "Event", "events");
export const RESOURCE_QUOTA = kind("v1", "ResourceQuota", "resourcequotas");
export const LIMIT_RANGE = kind("v1", "LimitRange", "limitranges");
export const DEPLOYMENT = kind("apps/v1", "Deployment", "deployments");
export const NETWORK_POLICY = kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies");
export const ROLE_BINDING = kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings");
export const POD_DISRUPTION_BUDGET = kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets");
export const LEASE = kind("coordination.k8s.io/v1", "Lease", "leases");
export const CUSTOM_RESOURCE_DEFINITION = kind(
  "apiextensions.k8s.io/v1",
  "CustomResourceDefinition",
  "customresourcedefinitions",
  false,
);

/** The path of a kind's collection, of one object, or of a subresource of it. */
export function resourcePath(it: ResourceKind, namespace?: string, name?: string, subresource?: string): string {
  if (name !== undefined && it.namespaced && namespace === undefined)
    throw new TypeError(`${it.kind} ${name}: a namespace is needed`);
  const group = it.apiVersion.includes("/") ? `/apis/${it.apiVersion}` : `/api/${it.apiVersion}`;
  const scope = it.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const object = name === undefined ? "" : `/${encodeURIComponent(name)}`;
  return `${group}${scope}/${it.plural}${object}${subresource ? `/${subresource}` : ""}`;
}
