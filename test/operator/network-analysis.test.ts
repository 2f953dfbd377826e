// The network policies of two tenants, as the operator makes them, read by an analyser that knows nothing of ours. What packets do on a real
// node is in test/node/network-matrix.test.ts, against the same table.
import { beforeAll, describe, expect, test } from "vitest";
import {
  agentObjects,
  anOperatorConfig,
  madeAgent,
  madeTenant,
  type MadeObject,
  tenantObjects,
} from "../support/made-objects.ts";
import { allowed, type Connection, type Peer } from "../support/cyclonus.ts";
import { MATRIX, SOURCES, TARGETS } from "../support/network-matrix.ts";

const inNamespace = (name: string, app?: string) => ({
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } },
  ...(app && { podSelector: { matchLabels: { app } } }),
});
const DATABASE = { host: "postgres.agentpg-demo.svc", credentialsDir: "/etc/agentpg/operator-database" };
/** As the demo installs the chart. */
const DEMO = {
  database: { ...DATABASE, peers: [inNamespace("agentpg-demo", "postgres")] },
  model: { baseUrl: "http://claude.agentpg-demo.svc:8080", port: 8080, peers: [inNamespace("agentpg-demo", "claude")] },
  metricsClients: [inNamespace("agentpg-system")],
};

/** A network that holds link-local addresses, which stay closed. */
const EGRESS = { network: { egress: [{ cidr: "168.0.0.0/6", ports: [80, 443] }] } };
const TENANTS = [
  { tenant: madeTenant("acme", EGRESS), agent: madeAgent("acme", "support") },
  { tenant: madeTenant("umbrella"), agent: madeAgent("umbrella", "helper") },
] as const;

function policiesOf(config: Record<string, unknown>, only?: string): MadeObject[] {
  const told = anOperatorConfig(config);
  const chosen = TENANTS.filter(({ tenant }) => only === undefined || tenant.metadata.name === only);
  const all = chosen.flatMap(({ tenant, agent }) => [
    ...tenantObjects(tenant, told),
    ...agentObjects(agent, tenant, told),
  ]);
  return all.filter((it) => it.kind === "NetworkPolicy");
}

/** The labels that the pods of an Agent really have. */
function agentPod({ tenant, agent }: (typeof TENANTS)[number], ip: string): Peer {
  const made = agentObjects(agent, tenant, anOperatorConfig()).find((it) => it.kind === "Deployment");
  const { template } = (made as MadeObject).spec as { template: { metadata: { labels: Record<string, string> } } };
  return { ip, pod: { namespace: tenant.metadata.name, labels: template.metadata.labels } };
}
const aPod = (namespace: string, ip: string, labels: Record<string, string> = {}): Peer => ({
  ip,
  pod: { namespace, labels },
});

const [acme, umbrella] = TENANTS;
const agentA = agentPod(acme, "10.0.0.1");
const agentB = agentPod(umbrella, "10.0.0.2");
const podA = aPod("acme", "10.0.0.3");
const podB = aPod("umbrella", "10.0.0.4");
const operator = aPod("agentpg-system", "10.0.0.5", { "app.kubernetes.io/name": "agentpg-operator" });
const stranger = aPod("monitoring", "10.0.0.6");
const dns = aPod("kube-system", "10.0.0.9", { "k8s-app": "kube-dns" });
const postgres = aPod("agentpg-demo", "10.0.0.7", { app: "postgres" });
const claude = aPod("agentpg-demo", "10.0.0.8", { app: "claude" });
const outside = (ip: string): Peer => ({ ip });
const METADATA = outside("169.254.169.254");

const sources = [agentA, agentB, podA, podB, operator, stranger];
const targets: [Peer, number][] = [
  [agentA, 8080],
  [agentA, 9090],
  [agentB, 8080],
  [agentB, 9090],
  [podA, 7000],
  [podB, 7000],
  [postgres, 5432],
  [claude, 8080],
  [METADATA, 80],
  [outside("172.30.0.1"), 6443],
  [operator, 9090],
];

/** `+` or `-` for each, in order. */
const marks = async (policies: MadeObject[], connections: Connection[]): Promise<string> =>
  (await allowed(policies, connections)).map((it) => (it ? "+" : "-")).join("");

/** Built the first time, which takes longer than any of the tests may. */
beforeAll(() => allowed([], []));

describe("as an analyser reads the operator's policies", () => {
  test("each source reaches what it may, and nothing else", async () => {
    const connections = sources.flatMap((from) => targets.map(([to, port]) => ({ from, to, port })));
    const seen = await marks(policiesOf(DEMO), connections);
    const rows = sources.map((source, row) =>
      targets.map(([target], at) => (target === source ? "." : seen[row * TARGETS.length + at])).join(""),
    );
    expect(Object.fromEntries(SOURCES.map((source, row) => [source, rows[row]]))).toEqual(MATRIX);
  });

  test("the database and the model are reached on their ports, and on no other", async () => {
    const connections = [postgres, claude].flatMap((to) =>
      [22, 5432, 8080].map((port) => ({ from: agentA, to, port })),
    );
    expect(await marks(policiesOf(DEMO), connections)).toBe("-+---+");
  });

  test("the default deny closes a namespace by itself, both ways", async () => {
    const [deny] = policiesOf(DEMO).filter(({ metadata }) => /^agentpg-default-deny$/.test(metadata.name));
    const connections = [
      { from: podA, to: stranger, port: 443 },
      { from: stranger, to: podA, port: 443 },
    ];
    expect(await marks([], connections)).toBe("++");
    expect(await marks([deny as MadeObject], connections)).toBe("--");
  });

  test("a network that the Tenant opens is reached by its agents on the ports that it names, but for link-local addresses", async () => {
    const to = [outside("168.1.2.3"), outside("171.255.0.1"), METADATA, outside("169.254.0.1"), outside("172.0.0.1")];
    const at = (port: number) => to.map((it) => ({ from: agentA, to: it, port }));
    expect(await marks(policiesOf(DEMO), [...at(443), ...at(22)])).toBe("++--------");
    expect(
      await marks(
        policiesOf(DEMO),
        to.map((it) => ({ from: agentB, to: it, port: 443 })),
      ),
    ).toBe("-----");
  });

  test("nobody is named who may scrape: nobody does", async () => {
    const connections = [operator, stranger, podA].map((from) => ({ from, to: agentA, port: 9090 }));
    expect(await marks(policiesOf({ ...DEMO, metricsClients: [] }), connections)).toBe("---");
  });

  test("without peers, the model is any public address, and the database any but link-local ones, each on its port", async () => {
    const addresses = [
      "93.184.216.34",
      "10.1.2.3",
      "172.16.0.1",
      "192.168.1.1",
      "100.64.0.1",
      "127.0.0.1",
      "169.254.169.254",
    ];
    const at = (port: number) => addresses.map((ip) => ({ from: agentB, to: outside(ip), port }));
    const policies = policiesOf({ database: DATABASE });
    expect(await marks(policies, at(443))).toBe("+------");
    expect(await marks(policies, at(5432))).toBe("++++++-");
    expect(await marks(policies, at(22))).toBe("-------");
  });

  test("a tenant's pods ask the cluster's name server for names, and no other", async () => {
    const to = [dns, outside("8.8.8.8"), stranger, METADATA];
    const ask = (protocol: "TCP" | "UDP") => to.map((it) => ({ from: podA, to: it, port: 53, protocol }));
    expect(await marks(policiesOf(DEMO), [...ask("UDP"), ...ask("TCP")])).toBe("+---+---");
  });

  test("by its own policies alone a tenant's pod reaches no agent of another, and is reached by none", async () => {
    const connections = [
      { from: podA, to: agentB, port: 8080 },
      { from: agentA, to: agentB, port: 8080 },
      { from: agentB, to: agentA, port: 8080 },
      { from: podB, to: podA, port: 7000 },
      { from: podA, to: agentA, port: 8080 },
    ];
    expect(await marks(policiesOf(DEMO, "acme"), connections)).toBe("----+");
  });
});
