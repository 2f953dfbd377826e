import { Random } from "../../support/random.ts";

type Spec = Record<string, unknown>;

/** One thing that people do to Tenants and Agents. What is created and what is changed is said in the same words: the whole spec. */
export type Action = { tenant: string } & (
  | { do: "hand over a namespace" | "give the API key" }
  | { do: "delete the tenant"; keepsData: boolean }
  | { do: "apply the tenant"; spec: Spec; adopt: boolean }
  | { do: "apply an agent"; agent: string; spec: Spec }
  | { do: "delete an agent"; agent: string }
  | { do: "delete by hand"; kind: OwnedKind; name: string }
);
export type OwnedKind = "NetworkPolicy" | "ResourceQuota" | "Service" | "Deployment";

export interface Size {
  tenants: number;
  agents: number;
}

/** Tenants that things happen to at the same time. */
const AT_ONCE = 8;
const MODELS = ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"];
const OF_TENANT: [OwnedKind, string][] = [
  ["NetworkPolicy", "agentpg-default-deny"],
  ["NetworkPolicy", "agentpg-allow-dns"],
  ["ResourceQuota", "agentpg-tenant"],
];
const OF_AGENT: OwnedKind[] = ["NetworkPolicy", "Service", "Deployment"];

function agentSpec(random: Random, encrypted: boolean): Spec {
  const sql = { statement: "select 1 where $1 = 'x'", parameters: { type: "object", properties: { x: {} } } };
  const tool = { name: `t${random.whole(1, 9)}`, description: "looks something up", sql: { ...sql, arguments: ["x"] } };
  return {
    model: random.pick(MODELS),
    replicas: random.pick([0, 1, 1, 1, 2]),
    maxOutputTokens: random.whole(1000, 9000),
    systemPrompt: `Answer number ${random.whole(1, 1_000_000)}.`,
    ...(random.next() < 0.3 ? { tools: [tool] } : {}),
    ...(encrypted ? { dataProtection: { encryptTranscripts: true } } : {}),
  };
}

const tenantSpec = (random: Random, fixed: Spec): Spec => ({
  ...fixed,
  anthropic: { apiKeySecretRef: { name: "anthropic" }, allowedModels: random.pick([[], MODELS]) },
  database: { ...(fixed["database"] as Spec), connectionLimit: random.whole(10, 90) },
  limits: { concurrentRuns: random.whole(1, 90) },
  quota: { pods: random.whole(20, 90) },
  ...(random.next() < 0.3 ? { network: { egress: [{ cidr: `203.0.113.${random.whole(1, 99)}/32` }] } } : {}),
});

/** All that happens to one tenant, in order. */
function storyOf(tenant: string, index: number, agents: number, random: Random): Action[] {
  const own = index % 8 === 2;
  const policy = index % 2 === 0 ? "Delete" : "Retain";
  const given = random.next() < 0.6;
  const encrypted = random.next() < 0.4;
  const fate = random.next();
  // What is kept of a Tenant is what was there: nothing is taken away in its last moments, which may be too short to bring it back.
  const isKept = policy === "Retain" && fate >= 0.6;
  const fixed = { deletionPolicy: policy, database: { isolation: own ? "Database" : "Schema" } };
  const apply = (adopt = false): Action => ({
    do: "apply the tenant",
    tenant,
    spec: tenantSpec(random, fixed),
    adopt,
  });
  const names = Array.from({ length: agents }, (_, n) => `a${n + 1}`);
  const applyAgent = (agent: string): Action => ({
    do: "apply an agent",
    tenant,
    agent,
    spec: agentSpec(random, encrypted),
  });
  const begin: Action[] = given
    ? [{ do: "hand over a namespace", tenant }, apply()]
    : [apply(), { do: "give the API key", tenant }];
  const changes = random.shuffled([
    ...Array.from({ length: random.whole(0, 2) }, () => apply()),
    ...names.flatMap((name) => Array.from({ length: random.whole(0, 3) }, () => applyAgent(name))),
    ...Array.from({ length: random.whole(0, 3) }, (): Action => {
      const [kind, name] = random.pick([
        ...(isKept ? [] : OF_TENANT),
        ...OF_AGENT.map((it): [OwnedKind, string] => [it, `agent-${random.pick(names)}`]),
      ]);
      return { do: "delete by hand", tenant, kind, name };
    }),
  ]);
  const deletions = names
    .filter(() => random.next() < 0.25)
    .flatMap((agent): Action[] => [
      { do: "delete an agent", tenant, agent },
      ...(random.next() < 0.5 ? [applyAgent(agent)] : []),
    ]);
  const anew: Action[] =
    given || policy === "Retain"
      ? [apply(policy === "Retain")]
      : [apply(), { do: "give the API key", tenant }, ...names.map(applyAgent)];
  const end: Action[] =
    fate < 0.6
      ? []
      : [{ do: "delete the tenant", tenant, keepsData: policy === "Retain" }, ...(fate < 0.8 ? [] : anew)];
  return [...begin, ...names.map(applyAgent), ...changes, ...deletions, ...end];
}

/** Everything that happens, in order; the same for the same seed. */
export function script(size: Size, seed: number): Action[] {
  const random = new Random(seed);
  const stories = Array.from({ length: size.tenants }, (_, n) => {
    const agents = Math.floor(((n + 1) * size.agents) / size.tenants) - Math.floor((n * size.agents) / size.tenants);
    return storyOf(`t${String(n + 1).padStart(2, "0")}`, n, agents, random);
  });
  const actions: Action[] = [];
  while (stories.some((it) => it.length > 0)) {
    const next = random.pick(stories.filter((it) => it.length > 0).slice(0, AT_ONCE)).shift();
    if (next) actions.push(next);
  }
  return actions;
}
