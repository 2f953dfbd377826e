// The manifests, values and SQL of the documentation, given to a real API server with the chart's release and the operator at work, to
// helm, and to a real Postgres.
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { clientOptions } from "../../../src/database/connection.ts";
import { DEPLOYMENT, NAMESPACE, SECRET, SERVICE_ACCOUNT } from "../../../src/kubernetes/resource-kind.ts";
import { ensureTools } from "../../../src/local-cluster/index.ts";
import { run } from "../../../src/local-cluster/run.ts";
import { AGENT, TENANT } from "../../../src/operator/caches.ts";
import { silentProgress } from "../../../src/telemetry/progress.ts";
import { aTenant, anAgent } from "../../support/builders.ts";
import { eventually } from "../../support/eventually.ts";
import { type OperatorHarness, startHarness } from "../../support/operator-harness.ts";
import { serviceAccountKubeconfig } from "../../support/service-account.ts";
import { blocksOf, pages, root } from "../blocks.ts";
import { type How, type Tested, testedBlocks } from "../entries.ts";
import { chartValues } from "../examples.ts";
import { filled, type World } from "../placeholders.ts";
import { pathOf, removeFolder, workFolder } from "../shell.ts";

const folder = mkdtempSync(join(tmpdir(), "agentpg-docs-"));
const work = workFolder(folder);
const all = testedBlocks(pages(), blocksOf);
const those = (...hows: How[]): Tested[] => all.filter(({ how }) => hows.includes(how));
let harness: OperatorHarness;
let tools: { kubectl: string; helm: string };
let world: World;
/** Runs kubectl; what is said on standard error is the failure's message. */
const kubectl = (args: string[], input?: string) =>
  run(tools.kubectl, args, {
    ...(input === undefined ? {} : { input }),
    env: { ...process.env, KUBECONFIG: harness.kubeconfig },
  });

beforeAll(async () => {
  const built = await ensureTools(["kubectl", "helm"], silentProgress);
  tools = { kubectl: pathOf(built.kubectl), helm: pathOf(built.helm) };
  harness = await startHarness();
  const { client } = harness;
  const chart = ["upgrade", "--install", "agentpg", join(root, "charts/agentpg"), "-n", "agentpg-system"];
  await run(tools.helm, [...chart, "-f", join(work, "values.yaml")], {
    env: { ...process.env, KUBECONFIG: harness.kubeconfig },
  });
  const keysDir = join(folder, "keys");
  mkdirSync(keysDir);
  writeFileSync(join(keysDir, "first"), randomBytes(32).toString("base64"));
  writeFileSync(join(keysDir, "current"), "first");
  const asOperator = await serviceAccountKubeconfig(client, harness.kubeconfig, "agentpg-system", "agentpg");
  await harness.startOperator(
    { serviceAccount: "agentpg", tenantClusterRole: "agentpg-tenant", encryption: { keysDir } },
    asOperator,
  );
  for (const name of ["acme", "globex", "bakery"]) {
    await harness.prepareTenantNamespace(name, name);
    await client.apply(TENANT, aTenant(name, { budget: { perDay: { usd: "50" } } }), { fieldManager: "test" });
    await client.apply(SERVICE_ACCOUNT, { metadata: { name: "visitor", namespace: name } }, { fieldManager: "test" });
  }
  for (const [namespace, name] of [
    ["acme", "support"],
    ["acme", "researcher"],
    ["bakery", "clerk"],
  ] as const)
    await client.apply(AGENT, anAgent(namespace, name), { fieldManager: "test" });
  // What people, and others' controllers, make before.
  for (const name of ["postgres", "pooler", "initech", "hooli", "umbrella"])
    await client.apply(NAMESPACE, { metadata: { name } }, { fieldManager: "test" });
  for (const name of ["agents-ca", "agentpg-operator"])
    await client.apply(
      SECRET,
      { metadata: { name, namespace: "postgres" }, stringData: { "ca.crt": "x", password: "x" } },
      { fieldManager: "test" },
    );
  for (const name of ["acme", "globex"]) await harness.condition("Tenant", name, "Ready", "True", undefined, 60);
  await harness.condition("Agent", "acme/support", "ConfigurationValid", "True", undefined, 60);
  // Deployments' pods are made, and wait for a node that never comes.
  for (const [namespace, name] of [
    ["acme", "agent-support"],
    ["bakery", "agent-clerk"],
    ["agentpg-system", "agentpg"],
  ] as const)
    await eventually(
      () => client.get<{ status?: { unavailableReplicas?: number } }>(DEPLOYMENT, name, namespace),
      (it) => (it.status?.unavailableReplicas ?? 0) > 0,
      60,
    );
  const schema = (await harness.tenant("acme")).status?.["schema"] as string;
  world = { tenant: "acme", otherTenant: "globex", agent: "support", schema };
});
afterAll(async () => {
  await harness?.stop();
  removeFolder(folder);
});

test("the chart takes the values of every example", async () => {
  for (const file of chartValues())
    await run(tools.helm, [
      "template",
      "agentpg",
      join(root, "charts/agentpg"),
      "-f",
      join(work, "values.yaml"),
      "-f",
      join(root, file),
    ]);
  expect(chartValues().length).toBeGreaterThan(2);
});

/** A fragment of a resource's spec, as a whole object. */
function whole(how: How, text: string): string {
  if (how === "objects") return text;
  const read = parse(text) as { spec?: object };
  const spec = (read.spec ?? read) as Record<string, unknown>;
  return stringify(how === "agent" ? anAgent("acme", "fragment", spec) : aTenant("fragment", spec));
}

test("the API server takes every manifest, and every part of a Tenant or an Agent", async () => {
  const failed: string[] = [];
  const blocks = those("objects", "agent", "tenant");
  for (const { page, line, how, text } of blocks)
    await kubectl(
      ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"],
      whole(how, filled(text, world)),
    ).catch((error: Error) => failed.push(`${page}, line ${line}: ${error.message}`));
  expect(failed.join("\n")).toBe("");
  expect(blocks.length).toBeGreaterThan(5);
});

test("the chart takes every file of values", async () => {
  const failed: string[] = [];
  const blocks = those("values");
  for (const { page, line, text } of blocks)
    await run(
      tools.helm,
      ["template", "agentpg", join(root, "charts/agentpg"), "-f", join(work, "values.yaml"), "-f", "-"],
      { input: filled(text, world) },
    ).catch((error: Error) => failed.push(`${page}, line ${line}: ${error.message}`));
  expect(failed.join("\n")).toBe("");
  expect(blocks.length).toBeGreaterThan(2);
});

/** Statements by themselves: some cannot be part of a transaction. Not split within `$$ … $$`. */
const statementsOf = (sql: string): string[] =>
  sql
    .split("\n")
    .filter((it) => !it.startsWith("\\"))
    .join("\n")
    .split(/;\s*(?:--[^\n]*)?\n/)
    .filter((it) => it.replace(/--[^\n]*/g, "").trim() !== "");

test("Postgres takes every statement", async () => {
  const client = new Client(clientOptions(harness.postgres.adminSettings(harness.admin.database), "documentation"));
  await client.connect();
  const thereAlready = /already exists/;
  const failed: string[] = [];
  await client.query("CREATE DATABASE agentpg").catch(() => undefined);
  for (const { page, line, text } of those("sql"))
    for (const statement of statementsOf(filled(text, world)))
      await client.query(statement).catch((error: Error) => {
        if (!thereAlready.test(error.message)) failed.push(`${page}, line ${line}: ${error.message}`);
      });
  await client.end();
  expect(failed.join("\n")).toBe("");
});
