// What the documentation says to kubectl, helm and Postgres, said to real ones: an API server with the chart's release, the operator at
// work, a Tenant and an Agent. No kubelet runs: test/node/docs.test.ts has the pages that need pods.
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
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
import { prometheusMissing, prometheusProgram } from "../../support/prometheus.ts";
import { serviceAccountKubeconfig } from "../../support/service-account.ts";
import { blocksOf, pages, root } from "../blocks.ts";
import { type How, type Tested, testedBlocks } from "../entries.ts";
import { chartValues, exampleFiles, isForeign } from "../examples.ts";
import { filled, type World } from "../placeholders.ts";
import { commandsOf, pathOf, programFolder, removeFolder, runBlock, STOOD_IN, workFolder } from "../shell.ts";
import type { StandInConfig } from "./stand-in.ts";

const folder = mkdtempSync(join(tmpdir(), "agentpg-docs-"));
const work = workFolder(folder);
const all = testedBlocks(pages(), blocksOf);
const those = (...hows: How[]): Tested[] => all.filter(({ how }) => hows.includes(how));
let harness: OperatorHarness;
let tools: { kubectl: string; helm: string };
let world: World;
/** The Tenant that has a key broker: the runbooks about brokers are about it. */
const BROKERED = "vault";
const worldOf = (page: string): World => (page.includes("Broker") ? { ...world, tenant: BROKERED } : world);
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
  await run(tools.helm, [...chart, "-f", join(work, "values.yaml"), "--set", "console.enabled=true"], {
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
  // It gets Ready with its broker's pods, so never here.
  await harness.prepareTenantNamespace(BROKERED, BROKERED);
  const brokered = aTenant(BROKERED, { anthropic: { access: "Broker", apiKeySecretRef: { name: "anthropic" } } });
  await client.apply(TENANT, brokered, { fieldManager: "test" });
  for (const [namespace, name] of [
    ["acme", "support"],
    ["acme", "researcher"],
    ["bakery", "clerk"],
  ] as const)
    await client.apply(AGENT, anAgent(namespace, name), { fieldManager: "test" });
  // What people, and others' controllers, make before.
  for (const name of ["postgres", "pooler", "initech", "hooli", "umbrella"])
    await client.apply(NAMESPACE, { metadata: { name } }, { fieldManager: "test" });
  // The kinds that CloudNativePG gives them; a Secret's type cannot be changed later.
  for (const [name, type] of [
    ["agents-ca", "Opaque"],
    ["agentpg-operator", "kubernetes.io/basic-auth"],
  ] as const)
    await client.apply(
      SECRET,
      {
        metadata: { name, namespace: "postgres" },
        type,
        stringData: { "ca.crt": "x", username: "agentpg_operator", password: "x" },
      },
      { fieldManager: "test" },
    );
  for (const name of ["acme", "globex"]) await harness.condition("Tenant", name, "Ready", "True", undefined, 60);
  await harness.condition("Agent", "acme/support", "ConfigurationValid", "True", undefined, 60);
  // Deployments' pods are made, and wait for a node that never comes.
  for (const [namespace, name] of [
    ["acme", "agent-support"],
    ["bakery", "agent-clerk"],
    ["agentpg-system", "agentpg"],
    [BROKERED, "agentpg-broker"],
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

/** The conditions that are not True, in words. */
async function whyNot(kind: "Tenant" | "Agent", name: string): Promise<string> {
  const [namespace = "", own = ""] = name.split("/");
  const { status } = await (kind === "Tenant" ? harness.tenant(name) : harness.agent(own, namespace));
  const bad = (status?.conditions ?? []).filter((it) => it.status !== "True");
  return bad.map((it) => `${it.type} ${it.reason}: ${it.message}`).join("; ");
}

test("every example is taken: its Tenants get ready, and its Agents' configurations are valid", async () => {
  const files = exampleFiles();
  const own = files.flatMap(({ manifests }) => manifests).filter((it) => !isForeign(it));
  const tenants = own.filter(({ kind }) => kind === "Tenant").map(({ metadata }) => metadata.name);
  const agents = own
    .filter(({ kind }) => kind === "Agent")
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  // What the READMEs have people make by hand.
  for (const name of tenants) await harness.prepareTenantNamespace(name, name);
  await kubectl(["-n", "acme", "create", "secret", "generic", "wiki", "--from-literal=token=x"]);
  const module = join(root, "examples/tool-module");
  await kubectl([
    "-n",
    "acme",
    "create",
    "configmap",
    "shop-tools",
    `--from-file=${module}/shop.ts`,
    `--from-file=${module}/cards.ts`,
  ]);

  for (const { file, manifests } of files) {
    const text = manifests
      .filter((it) => !isForeign(it))
      .map((it) => stringify(it))
      .join("---\n");
    if (text !== "")
      await kubectl(["apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-"], text).catch(
        (error: Error) => {
          throw new Error(`${file}: ${error.message}`);
        },
      );
  }
  const failed: string[] = [];
  const awaitAll = (kind: "Tenant" | "Agent", names: string[], type: string) =>
    Promise.all(
      names.map((name) =>
        harness
          .condition(kind, name, type, "True", undefined, 60)
          .catch(async () => failed.push(`${kind} ${name}: ${await whyNot(kind, name)}`)),
      ),
    );
  await awaitAll("Tenant", tenants, "Ready");
  await awaitAll("Agent", agents, "ConfigurationValid");
  expect(failed.join("\n")).toBe("");
  expect(tenants.length).toBeGreaterThan(4);
  expect(agents.length).toBeGreaterThan(10);
}, 180_000);

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

test("kubectl, helm and psql take every command, and every name in it is there", async () => {
  const config: StandInConfig = {
    ...tools,
    kubeconfig: harness.kubeconfig,
    postgres: harness.postgres.adminSettings(harness.admin.database),
  };
  const standIn = join(folder, "stand-in.json");
  writeFileSync(standIn, JSON.stringify(config));
  const recorder = `#!/bin/bash\nprintf '%s\\0' "\${0##*/}" "$@" $'\\x1e' >> "$CALLS"\n`;
  const real = `${recorder}exec ${process.execPath} ${join(import.meta.dirname, "stand-in.ts")} "\${0##*/}" "$@"\n`;
  const bin = programFolder(folder, recorder, STOOD_IN);
  programFolder(join(folder, "real"), real, ["kubectl", "helm", "psql"]);
  const problems = join(folder, "problems");
  const options = { folder, bin: `${join(folder, "real/bin")}:${bin}`, work, seconds: 60 };
  const failed: string[] = [];
  let calls = 0;
  for (const { page, line, language, text } of those("commands", "demo")) {
    writeFileSync(problems, "");
    const env = { STAND_IN: standIn, PROBLEMS: problems };
    const ran = await runBlock(`${filled(commandsOf(language, text), worldOf(page))}\nwait\n`, { ...options, env });
    calls += ran.calls.filter(([program]) => program === "kubectl" || program === "helm").length;
    for (const problem of readFileSync(problems, "utf8").split("\n"))
      if (problem !== "") failed.push(`${page}, line ${line}: ${problem}`);
  }
  expect(failed.join("\n")).toBe("");
  expect(calls).toBeGreaterThan(50);
}, 300_000);

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

test("Prometheus takes every scrape configuration", async ({ skip }) => {
  const missing = await prometheusMissing();
  if (missing !== undefined) skip(missing);
  const promtool = await prometheusProgram("promtool");
  for (const { page, line, text } of those("prometheus")) {
    const file = join(folder, "prometheus.yaml");
    // Debian builds promtool without the discovery of pods: the relabelling is what it can judge.
    const jobs = (parse(text) as Record<string, unknown>[]).map(({ kubernetes_sd_configs, ...job }) => {
      expect(kubernetes_sd_configs).toEqual([{ role: "pod" }]);
      return job;
    });
    writeFileSync(file, stringify({ scrape_configs: jobs }));
    await expect(run(promtool, ["check", "config", file]), `${page}, line ${line}`).resolves.toContain("SUCCESS");
  }
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
