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

async function look({ client }: OperatorHarness): Promise<Seen> {
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

const isCurrent = (it: Conditioned, type: string): boolean => {
  const condition = conditionOf(it, type) as { status: string; observedGeneration?: number } | undefined;
  return condition?.status === "True" && condition.observedGeneration === it.metadata.generation;
};

function ofTenant(it: Conditioned, { owned }: Seen): string[] {
  const { name, deletionTimestamp } = it.metadata;
  if (deletionTimestamp) return [`Tenant ${name} is being deleted`];
  const namespace = (it.spec["namespace"] as string | undefined) ?? name;
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

function ofAgent(it: Conditioned, { owned }: Seen): string[] {
  const { name, namespace } = it.metadata;
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

function orphans({ tenants, agents, owned }: Seen): string[] {
  const tenantNames = new Set(tenants.map(({ metadata }) => metadata.name));
  const agentKeys = new Set(agents.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  return [...owned].flatMap(([key, { metadata }]) => {
    const { [AGENT_LABEL]: agent, [TENANT_LABEL]: tenant } = metadata.labels ?? {};
    if (agent && !agentKeys.has(`${metadata.namespace}/${agent}`)) return [`${key} is an orphan`];
    return tenant && !tenantNames.has(tenant) ? [`${key} is an orphan`] : [];
  });
}

async function inPostgres(it: OperatorHarness, { tenants }: Seen): Promise<string[]> {
  const rows = await run<{ name: string; schema: string | null }>(
    it.postgres.adminSettings(it.admin.database),
    `SELECT tenant_name AS name, n.nspname AS schema FROM agentpg_operator.tenant t LEFT JOIN pg_namespace n ON n.nspname = t.id
      WHERE state = 'active' ORDER BY 1`,
  );
  const wanted = tenants.map(({ metadata, status }) => `${metadata.name} in ${String(status?.["schema"])}`).sort();
  const found = rows.map(({ name, schema }) => `${name} in ${schema}`).sort();
  return wanted.join() === found.join() ? [] : [`Postgres has [${found.join(", ")}], not [${wanted.join(", ")}]`];
}

/** What is not yet as the Tenants and Agents say, and what is there that should not be; nothing once all has converged. */
export async function problems(it: OperatorHarness): Promise<string[]> {
  const seen = await look(it);
  return [
    ...seen.tenants.flatMap((one) => ofTenant(one, seen)),
    ...seen.agents.flatMap((one) => ofAgent(one, seen)),
    ...orphans(seen),
    ...(await inPostgres(it, seen)),
  ];
}
