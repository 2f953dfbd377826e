// What becomes of the manifests in examples/, where the operator works: applied as their READMEs say, and looked at.
import { join } from "node:path";
import { stringify } from "yaml";
import { isNotFound } from "../../../src/kubernetes/errors.ts";
import { DEPLOYMENT, NETWORK_POLICY, type ResourceKind, SERVICE } from "../../../src/kubernetes/resource-kind.ts";
import { conditionOf, type OperatorHarness } from "../../support/operator-harness.ts";
import { root } from "../blocks.ts";
import { exampleFiles, exampleFolders, isForeign, type Manifest } from "../examples.ts";
import { sideBySide } from "./side-by-side.ts";

/** Runs kubectl with an input. @throws Error with what it said */
export type Kubectl = (args: string[], input?: string) => Promise<string>;

const ownOf = (folder: string): { file: string; manifests: Manifest[] }[] =>
  exampleFiles()
    .filter((it) => it.folder === folder)
    .map(({ file, manifests }) => ({ file, manifests: manifests.filter((it) => !isForeign(it)) }));

/** A Tenant that the tests give its API key later. */
const KEY_COMES_LATER = "umbrella";

/** What the READMEs have people make by hand: API keys in their namespaces, the token of an MCP server, a module's ConfigMap. */
async function prepare(harness: OperatorHarness, kubectl: Kubectl): Promise<void> {
  const all = exampleFiles().flatMap(({ manifests }) => manifests);
  for (const { metadata } of all.filter(({ kind }) => kind === "Tenant"))
    if (metadata.name !== KEY_COMES_LATER) await harness.prepareTenantNamespace(metadata.name, metadata.name);
  const module = join(root, "examples/tool-module");
  await kubectl(["-n", "lamps", "create", "secret", "generic", "wiki", "--from-literal=token=x"]);
  const files = ["shop.ts", "cards.ts"].map((it) => `--from-file=${join(module, it)}`);
  await kubectl(["-n", "lamps", "create", "configmap", "shop-tools", ...files]);
}

/** Applies the folder's manifests that are not another project's, strictly. @throws Error that names the file */
async function apply(folder: string, kubectl: Kubectl): Promise<void> {
  for (const { file, manifests } of ownOf(folder)) {
    const text = manifests.map((it) => stringify(it)).join("---\n");
    if (text === "") continue;
    await kubectl(["apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-"], text).catch(
      (error: Error) => {
        throw new Error(`${file}: ${error.message}`);
      },
    );
  }
}

/** Applies all of them, after what people make by hand. @throws Error that names the file that was not taken */
export async function applyExamples(harness: OperatorHarness, kubectl: Kubectl): Promise<void> {
  await prepare(harness, kubectl);
  await sideBySide(exampleFolders(), (it) => apply(it, kubectl));
}

/** What such a resource is to have in its namespace, beside the condition Ready. */
function needsOf({ kind, metadata, spec = {} }: Manifest): { namespace: string; name: string } | undefined {
  if (kind === "Agent") return { namespace: metadata.namespace ?? "", name: `agent-${metadata.name}` };
  const brokered = (spec["anthropic"] as { access?: string } | undefined)?.access === "Broker";
  return kind === "Tenant" && brokered ? { namespace: metadata.name, name: "agentpg-broker" } : undefined;
}

async function whyNotReady(harness: OperatorHarness, { kind, metadata }: Manifest): Promise<string[]> {
  const { name, namespace } = metadata;
  const which = kind === "Tenant" ? name : `${namespace}/${name}`;
  return harness.condition(kind as "Tenant" | "Agent", which, "Ready", "True", "Ready", 60).then(
    () => [],
    async () => {
      const { status } = await (kind === "Tenant" ? harness.tenant(name) : harness.agent(name, namespace ?? ""));
      const bad = (status?.conditions ?? []).filter((it) => it.status !== "True");
      return [`${kind} ${which}: ${bad.map((it) => `${it.type} ${it.reason}: ${it.message}`).join("; ")}`];
    },
  );
}

async function missingObjects(harness: OperatorHarness, manifest: Manifest): Promise<string[]> {
  const needs = needsOf(manifest);
  if (!needs) return [];
  const { name, namespace } = needs;
  const isThere = async (kind: ResourceKind) =>
    harness.client.get(kind, name, namespace).then(
      () => [],
      (error: unknown) => {
        if (!isNotFound(error)) throw error;
        return [`${kind.kind} ${namespace}/${name} is not there`];
      },
    );
  return (await Promise.all([DEPLOYMENT, SERVICE, NETWORK_POLICY].map(isThere))).flat();
}

/** A Tenant with a key broker promises that its broker serves. */
async function whyNoBroker(harness: OperatorHarness, manifest: Manifest): Promise<string[]> {
  if (manifest.kind !== "Tenant" || !needsOf(manifest)) return [];
  const condition = conditionOf(await harness.tenant(manifest.metadata.name), "BrokerReady");
  return condition?.status === "True" && condition.reason === "Ready" ? [] : [`BrokerReady is ${condition?.reason}`];
}

/** What is not as the folder's README promises, once there was time for it; empty: all is. */
export async function lacking(harness: OperatorHarness, folder: string): Promise<string[]> {
  const ours = ownOf(folder)
    .flatMap(({ manifests }) => manifests)
    .filter(({ kind }) => kind === "Tenant" || kind === "Agent");
  const faults = ours.map(async (it) => {
    const notReady = await whyNotReady(harness, it);
    return [...notReady, ...(await missingObjects(harness, it)), ...(await whyNoBroker(harness, it))];
  });
  return (await Promise.all(faults)).flat();
}
