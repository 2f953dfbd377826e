// Every page whose commands want pods, as it is written, on the demo's cluster: real kubectl, real agentpg, real curl.
// It takes more than a minute, which is the tutorial's (a Tenant comes, a pod starts twice, and all of it goes again): other pages are
// followed meanwhile.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { run } from "../../src/local-cluster/run.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { blocksOf, pages } from "../docs/blocks.ts";
import { testedBlocks } from "../docs/entries.ts";
import { removeFolder, runBlock, workFolder } from "../docs/shell.ts";
import { scriptOf, saidWrongly } from "./documented-pages.ts";
import { typedPrograms } from "./typed-programs.ts";

const { kubeconfig } = inject("demo");
const folder = mkdtempSync(join(tmpdir(), "agentpg-docs-"));
let bin: string;
let kubectl: string;

beforeAll(async () => {
  const tools = await ensureTools(["kubectl", "helm"], silentProgress);
  kubectl = tools.kubectl;
  bin = typedPrograms(folder, tools);
});
afterAll(() => removeFolder(folder));

const blocks = testedBlocks(pages(), blocksOf).filter(({ how }) => how === "demo");

/** Pages in the order in which they are followed, because one stands on another. */
const BAKERY = ["docs/tutorial.md"];
const LAMPS = ["minimal", "approvals", "mcp", "team"].map((it) => `examples/${it}/README.md`);
const OF_REFUNDS = ["docs/how-to/approvals.md", "docs/tools.md"];
/** It stops the operator. */
const ALONE = ["docs/how-to/backup-restore.md"];
const apart = [...BAKERY, ...LAMPS, ...OF_REFUNDS, ...ALONE];
const ACME = [...new Set(blocks.map(({ page }) => page))].filter((it) => !apart.includes(it));

/** The pages about key brokers are about the Tenant that docs/operations.md gives one. */
const worldOf = (page: string) => ({
  tenant: page.includes("Broker") ? "orchard" : "acme",
  otherTenant: "globex",
  agent: "support",
  schema: "t_0123456789ab",
});

async function follow(page: string): Promise<void> {
  const own = blocks.filter((it) => it.page === page);
  expect(own).not.toEqual([]);
  const desk = mkdtempSync(join(folder, "desk-"));
  const work = workFolder(desk);
  writeFileSync(join(work, "api-key"), "sk-ant-simulated");
  const ran = await runBlock(scriptOf(page, own, worldOf(page)), {
    folder: desk,
    bin,
    work,
    // Dozens of short processes of one program: compiled once.
    env: { KUBECONFIG: kubeconfig, HOME: folder, NODE_COMPILE_CACHE: join(folder, "compiled") },
    seconds: 400,
  });
  const said = `${ran.out}\n${ran.err}`.slice(-6000);
  expect(ran.code, said).toBe(0);
  expect(saidWrongly(own, ran.out), said).toEqual([]);
}

/** Followed side by side, because each is about Tenants of its own. */
const LANES: [string, string[]][] = [
  ["a Tenant that comes and goes", BAKERY],
  ["the examples' Tenant", [...LAMPS, ...OF_REFUNDS]],
  ["the demo's Tenant", ACME],
];

describe.concurrent.each(LANES)("on %s,", (_tenant, those) => {
  test.each(those)("%s does what it says, from top to bottom", { concurrent: false, timeout: 420_000 }, follow);
});

test.each(ALONE)("%s does what it says, from top to bottom", { timeout: 120_000 }, follow);

/** Nobody waits until they are gone: others have Tenants of other names, and upgrade.test.ts deletes all there are. */
afterAll(async () => {
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const ask = (line: string) => run(kubectl, line.split(" "), { env });
  await ask("-n acme delete serviceaccount caller --ignore-not-found");
  for (const name of ["lamps", "orchard"])
    await ask(`patch tenant ${name} --type merge -p {"spec":{"deletionPolicy":"Delete"}}`).catch(() => {});
  await ask("delete tenant bakery lamps orchard --ignore-not-found --wait=false");
});
