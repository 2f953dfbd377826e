import type { KubernetesObject } from "../../../src/kubernetes/object.ts";
import * as kinds from "../../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../../src/operator/caches.ts";
import { AGENT_LABEL, MANAGED_SELECTOR, TENANT_LABEL } from "../../../src/operator/labels.ts";
import { run } from "../../database/fixture.ts";
import { conditionOf, type Conditioned, type OperatorHarness } from "../operator-harness.ts";

const OF_AGENT = [kinds.NETWORK_POLICY, kinds.SERVICE_ACCOUNT, kinds.SERVICE, kinds.DEPLOYMENT];
const OF_TENANT = {
  NetworkPolicy: ["agentpg-default-deny", "agentpg-allow-dns", "agentpg-allow-agents"],
  ResourceQuota: ["agentpg-tenant"],
  LimitRange: ["agentpg-tenant"],
  ConfigMap: ["agentpg-access"],
};
const OWNED = [
  ...OF_AGENT,
  kinds.CONFIG_MAP,
  kinds.RESOURCE_QUOTA,
  kinds.LIMIT_RANGE,
  kinds.ROLE_BINDING,
  kinds.POD_DISRUPTION_BUDGET,
];

interface Seen {
  tenants: Conditioned[];
  agents: Conditioned[];
  owned: Map<string, KubernetesObject>;
}

const at = (kind: string, namespace: string | undefined, name: string) => `${kind} ${namespace}/${name}`;

/** Where to look. */
type World = Pick<OperatorHarness, "client" | "postgres" | "admin">;

async function look({ client }: World): Promise<Seen> {
  const [tenants, agents, ...lists] = await Promise.all([
    client.list<Conditioned>(TENANT),
    client.list<Conditioned>(AGENT),
    ...OWNED.map(async (kind) => {
      const items = await client.list<KubernetesObject>(kind, undefined, { labelSelector: MANAGED_SELECTOR });
      return items.map((it) => [at(kind.kind, it.metadata.namespace, it.metadata.name), it] as const);
    }),
  ]);
  return { tenants, agents, owned: new Map(lists.flat()) };
}

/** Whether a condition is true of the spec as it is now. */
export const isCurrent = (it: Conditioned, type: string): boolean => {
  const condition = conditionOf(it, type) as { status: string; observedGeneration?: number } | undefined;
  return condition?.status === "True" && condition.observedGeneration === it.metadata.generation;
};

const namespaceOf = ({ spec, metadata }: Conditioned): string =>
  (spec["namespace"] as string | undefined) ?? metadata.name;

function ofTenant(it: Conditioned, { owned }: Seen): string[] {
  const { name, deletionTimestamp } = it.metadata;
  if (deletionTimestamp) return [`Tenant ${name} is being deleted`];
  const namespace = namespaceOf(it);
  const missing = Object.entries(OF_TENANT)
    .flatMap(([kind, names]) => names.map((one) => at(kind, namespace, one)))
    .filter((key) => !owned.has(key));
  const deny = owned.get(at("NetworkPolicy", namespace, "agentpg-default-deny"))?.["spec"] as
    | { policyTypes: string[] }
    | undefined;
  return [
    ...(isCurrent(it, "Ready") ? [] : [`Tenant ${name}: Ready is ${JSON.stringify(conditionOf(it, "Ready"))}`]),
    ...missing.map((key) => `${key} is missing`),
    ...(deny?.policyTypes.length === 2 ? [] : [`${namespace}: default-deny denies not enough`]),
  ];
}

interface PodTemplate {
  template: { spec: { containers: [{ env: { name: string; value?: string }[] }] } };
  replicas: number;
}

/** An Agent whose Tenant is gone runs nothing, and says so. */
function withoutTenant(it: Conditioned, { owned }: Seen): string[] {
  const { name, namespace } = it.metadata;
  const runs = owned.has(at("Deployment", namespace, `agent-${name}`));
  return [
    ...(runs ? [`Agent ${namespace}/${name} has no Tenant and still runs`] : []),
    ...(conditionOf(it, "Ready")?.reason === "NoTenant" ? [] : [`Agent ${namespace}/${name} misses no Tenant`]),
  ];
}

function ofAgent(it: Conditioned, seen: Seen): string[] {
  const { name, namespace } = it.metadata;
  const { owned, tenants } = seen;
  if (!tenants.some((tenant) => namespaceOf(tenant) === namespace)) return withoutTenant(it, seen);
  const missing = OF_AGENT.map((kind) => at(kind.kind, namespace, `agent-${name}`)).filter((key) => !owned.has(key));
  const deployment = owned.get(at("Deployment", namespace, `agent-${name}`))?.["spec"] as PodTemplate | undefined;
  const revision = it.status?.["configRevision"];
  const runs = deployment?.template.spec.containers[0].env.find((one) => one.name === "AGENTPG_CONFIG_REVISION")?.value;
  const config = [...owned.values()].find((map) => holdsModel(map, namespace, name, it.spec));
  return [
    ...missing.map((key) => `${key} is missing`),
    ...(isCurrent(it, "ConfigurationValid") ? [] : [`Agent ${namespace}/${name}: status is not current`]),
    ...(runs === revision ? [] : [`Agent ${namespace}/${name}: pods are of ${runs}, not ${revision}`]),
    ...(deployment?.replicas === it.spec["replicas"] ? [] : [`Agent ${namespace}/${name}: wrong number of replicas`]),
    ...(config ? [] : [`Agent ${namespace}/${name}: no ConfigMap with its model`]),
  ];
}

function holdsModel(map: KubernetesObject, namespace: string | undefined, name: string, spec: object): boolean {
  if (map.metadata.namespace !== namespace || map.metadata.labels?.[AGENT_LABEL] !== name) return false;
  const text = (map["data"] as Record<string, string> | undefined)?.["agent.json"];
  return text !== undefined && JSON.parse(text).model === (spec as { model: string }).model;
}

/** What an Agent has goes with the Agent; what else a Tenant has goes with the Tenant, unless its data is retained. */
function orphans({ tenants, agents, owned }: Seen, retained: string[]): string[] {
  const tenantNames = new Set([...tenants.map(({ metadata }) => metadata.name), ...retained]);
  const agentKeys = new Set(agents.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  return [...owned].flatMap(([key, { metadata }]) => {
    const { [AGENT_LABEL]: agent, [TENANT_LABEL]: tenant } = metadata.labels ?? {};
    const isOfNobody = agent ? !agentKeys.has(`${metadata.namespace}/${agent}`) : tenant && !tenantNames.has(tenant);
    return isOfNobody ? [`${key} is an orphan`] : [];
  });
}

interface Claim {
  name: string;
  state: string;
  schema: string | null;
}

const claims = ({ postgres, admin }: World): Promise<Claim[]> =>
  run<Claim & Record<string, unknown>>(
    postgres.adminSettings(admin.database),
    `SELECT tenant_name AS name, state, coalesce(n.nspname, d.datname) AS schema FROM agentpg_operator.tenant t
       LEFT JOIN pg_namespace n ON n.nspname = t.id LEFT JOIN pg_database d ON d.datname = t.id ORDER BY 1`,
  );

function inPostgres(found: Claim[], { tenants }: Seen): string[] {
  const wanted = tenants.map(({ metadata, status }) => `${metadata.name} in ${String(status?.["schema"])}`).sort();
  const active = found.filter(({ state }) => state !== "retained").map(({ name, schema }) => `${name} in ${schema}`);
  return wanted.join() === active.join() ? [] : [`Postgres has [${active.join(", ")}], not [${wanted.join(", ")}]`];
}

/** What is not yet as the Tenants and Agents say, and what is there that should not be; nothing once all has converged. */
export async function problems(it: World): Promise<string[]> {
  const [seen, claimed] = await Promise.all([look(it), claims(it)]);
  const retained = claimed.filter(({ state }) => state === "retained").map(({ name }) => name);
  return [
    ...seen.tenants.flatMap((one) => ofTenant(one, seen)),
    ...seen.agents.flatMap((one) => ofAgent(one, seen)),
    ...orphans(seen, retained),
    ...inPostgres(claimed, seen),
  ];
}
