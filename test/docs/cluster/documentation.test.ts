// What the documentation says to kubectl, helm and Postgres, said to real ones: an API server with the chart's release, the operator at
// work, a Tenant and an Agent. No kubelet runs, pods of agents are ready as soon as they are there: test/node/docs.test.ts follows the pages
// that talk to pods.
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { clientOptions } from "../../../src/database/connection.ts";
import { NAMESPACE, SECRET, SERVICE_ACCOUNT } from "../../../src/kubernetes/resource-kind.ts";
import { ensureTools } from "../../../src/local-cluster/index.ts";
import { run } from "../../../src/local-cluster/run.ts";
import { AGENT, TENANT } from "../../../src/operator/caches.ts";
import { silentProgress } from "../../../src/telemetry/progress.ts";
import { aTenant, anAgent } from "../../support/builders.ts";
import { type OperatorHarness, startHarness } from "../../support/operator-harness.ts";
import { prometheusMissing, prometheusProgram } from "../../support/prometheus.ts";
import { readyPods } from "../../support/ready-pods.ts";
import { serviceAccountKubeconfig } from "../../support/service-account.ts";
import { blocksOf, pages, root } from "../blocks.ts";
import { type How, type Tested, testedBlocks } from "../entries.ts";
import { chartValues, exampleFiles, exampleFolders } from "../examples.ts";
import { filled, type World } from "../placeholders.ts";
import { commandsOf, pathOf, programFolder, removeFolder, runBlock, STOOD_IN, workFolder } from "../shell.ts";
import { applyExamples, lacking } from "./example-outcomes.ts";
import { sideBySide } from "./side-by-side.ts";
import type { StandInConfig } from "./stand-in.ts";

const folder = mkdtempSync(join(tmpdir(), "agentpg-docs-"));
const work = workFolder(folder);
const all = testedBlocks(pages(), blocksOf);
const those = (...hows: How[]): Tested[] => all.filter(({ how }) => hows.includes(how));
let harness: OperatorHarness;
let tools: { kubectl: string; helm: string };
let world: World;
const over = new AbortController();
let ready: Promise<void>;
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
  ready = readyPods(client, over.signal);
  for (const name of ["acme", "globex"]) {
    await harness.prepareTenantNamespace(name, name);
    await client.apply(TENANT, aTenant(name, { budget: { perDay: { usd: "50" } } }), { fieldManager: "test" });
  }
  for (const name of ["visitor", "caller"])
    await client.apply(SERVICE_ACCOUNT, { metadata: { name, namespace: "acme" } }, { fieldManager: "test" });
  for (const name of ["support", "researcher"])
    await client.apply(AGENT, anAgent("acme", name), { fieldManager: "test" });
  // What people, and others' controllers, make before.
  for (const name of ["postgres", "pooler"])
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
  await harness.condition("Agent", "acme/support", "Ready", "True", undefined, 60);
  const schema = (await harness.tenant("acme")).status?.["schema"] as string;
  world = { tenant: "acme", otherTenant: "globex", agent: "support", schema };
});
afterAll(async () => {
  over.abort();
  await ready;
  await harness?.stop();
  removeFolder(folder);
});

describe("an example", () => {
  beforeAll(() => applyExamples(harness, kubectl));

  test("has objects of its own: no two bring the same", () => {
    const names = exampleFiles().flatMap(({ file, manifests }) =>
      manifests.map(({ kind, metadata: { name, namespace = "" } }) => ({
        object: `${kind} ${namespace}/${name}`,
        file,
      })),
    );
    const twice = [...Map.groupBy(names, ({ object }) => object)].filter(([, those]) => those.length > 1);
    expect(twice.map(([object, those]) => `${object}: ${those.map(({ file }) => file).join(", ")}`)).toEqual([]);
  });

  test("whose API key is not there yet says so, and goes on when it comes", async () => {
    await harness.condition("Tenant", "umbrella", "CredentialsReady", "False", "ApiKeySecretMissing", 60);
    await harness.prepareTenantNamespace("umbrella", "umbrella");
    await harness.condition("Tenant", "umbrella", "Ready", "True", "Ready", 60);
  });

  test.each(exampleFolders())(
    "%s is taken, its Tenants and Agents get ready, and have what they need",
    async (name) => {
      expect(await lacking(harness, name)).toEqual([]);
    },
  );

  test("is there for Tenants and for Agents", () => {
    const made = exampleFiles().flatMap(({ manifests }) => manifests.map(({ kind }) => kind));
    expect(made.filter((it) => it === "Tenant").length).toBeGreaterThan(5);
    expect(made.filter((it) => it === "Agent").length).toBeGreaterThan(10);
  });
});

test("the chart takes the values of every example", async () => {
  const chart = ["template", "agentpg", join(root, "charts/agentpg"), "-f", join(work, "values.yaml")];
  await sideBySide(chartValues(), (file) => run(tools.helm, [...chart, "-f", join(root, file)]));
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
  const options = { folder, bin: `${join(folder, "real/bin")}:${bin}`, work, seconds: 60 };
  const failed: string[] = [];
  let calls = 0;
  await sideBySide(those("commands"), async ({ page, line, language, text, hash }) => {
    const problems = join(folder, `problems-${hash}-${line}`);
    writeFileSync(problems, "");
    const env = { STAND_IN: standIn, PROBLEMS: problems };
    const ran = await runBlock(`${filled(commandsOf(language, text), world)}\nwait\n`, { ...options, env });
    calls += ran.calls.filter(([program]) => program === "kubectl" || program === "helm").length;
    for (const problem of readFileSync(problems, "utf8").split("\n"))
      if (problem !== "") failed.push(`${page}, line ${line}: ${problem}`);
  });
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
  await sideBySide(blocks, ({ page, line, how, text }) =>
    kubectl(
      ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"],
      whole(how, filled(text, world)),
    ).catch((error: Error) => failed.push(`${page}, line ${line}: ${error.message}`)),
  );
  expect(failed.join("\n")).toBe("");
  expect(blocks.length).toBeGreaterThan(5);
});

test("the chart takes every file of values", async () => {
  const failed: string[] = [];
  const blocks = those("values");
  await sideBySide(blocks, ({ page, line, text }) =>
    run(tools.helm, ["template", "agentpg", join(root, "charts/agentpg"), "-f", join(work, "values.yaml"), "-f", "-"], {
      input: filled(text, world),
    }).catch((error: Error) => failed.push(`${page}, line ${line}: ${error.message}`)),
  );
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
