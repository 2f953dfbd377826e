import { expect, test } from "vitest";
import { operatorConfig } from "../../src/operator/config.ts";
import { serversOf } from "../../src/operator/databases/server-config.ts";
import { type Rendered, renderChart } from "../support/chart.ts";

const second = {
  server: "second",
  host: "postgres-2.example.com",
  port: 6543,
  credentialsSecret: "second-admin",
  agentHost: "",
  agentPort: null,
  peers: [{ ipBlock: { cidr: "203.0.113.8/32" } }],
  acceptsNew: false,
  maxTenants: 0,
};
const third = { server: "third", host: "postgres-3.example.com", credentialsSecret: "third-admin", weight: 3 };

const one = (objects: Rendered[], kind: string) => objects.find((it) => it.kind === kind) as Rendered;

test("each of databases is in the operator's configuration, its Secret is mounted where that says, and its port is open", async () => {
  const values = ["--set-json", `databases=${JSON.stringify([second, third])}`, "--set", "networkPolicy.enabled=true"];
  const objects = await renderChart(...values, "--set", "database.maxTenants=7");
  const { data } = objects.find((it) => it.kind === "ConfigMap" && it.metadata.name === "agentpg") as Rendered & {
    data: Record<string, string>;
  };
  const servers = serversOf(operatorConfig.parse(JSON.parse(data["operator.json"] ?? "")));
  expect([...servers.keys()]).toEqual(["default", "second", "third"]);
  expect(servers.get("default")).toMatchObject({ host: "postgres.example.com", maxTenants: 7, acceptsNew: true });
  expect(servers.get("second")).toMatchObject({ port: 6543, acceptsNew: false, maxTenants: 0, peers: second.peers });
  expect(servers.get("second")?.agentHost).toBeUndefined();
  expect(servers.get("third")).toMatchObject({ port: 5432, name: "agentpg", weight: 3 });
  const { volumes, containers } = (
    one(objects, "Deployment") as unknown as {
      spec: { template: { spec: { volumes: object[]; containers: { volumeMounts: object[] }[] } } };
    }
  ).spec.template.spec;
  for (const [index, name] of ["second", "third"].entries()) {
    const mountPath = servers.get(name)?.credentialsDir;
    expect(containers[0]?.volumeMounts).toContainEqual({ name: `database-${index}`, mountPath, readOnly: true });
    expect(volumes).toContainEqual({
      name: `database-${index}`,
      secret: expect.objectContaining({ secretName: `${name}-admin`, optional: true }) as object,
    });
  }
  const policy = objects.find((it) => it.kind === "NetworkPolicy" && it.metadata.name === "agentpg");
  expect((policy as unknown as { spec: { egress: object[] } }).spec.egress).toContainEqual({
    ports: [{ port: 6543, protocol: "TCP" }],
    to: second.peers,
  });
});

test.each([
  ["the reserved name", { ...third, server: "default" }, /databases.0.server|databases\/0\/server/],
  ["no name", { host: "a", credentialsSecret: "b" }, /server/],
  ["an unknown field", { ...third, credentialDir: "/x" }, /credentialDir/],
  ["no weight at all", { ...third, weight: 0 }, /weight/],
])("a server with %s is refused by its field", async (_what, server, says) => {
  await expect(renderChart("--set-json", `databases=${JSON.stringify([server])}`)).rejects.toThrow(says);
});
