import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { EVERYTHING } from "../../dev/chart-values.ts";
import { renderChart } from "../support/chart.ts";
import { agentObjects, anOperatorConfig, madeAgent, madeTenant, tenantObjects } from "../support/made-objects.ts";
import { ROOT } from "../support/root.ts";

/** Objects of one source, in files of a folder of their own: scanners look at them together. */
export interface ManifestSet {
  /** Where they come from, for people. */
  from: string;
  folder: string;
  files: string[];
}

type Manifest = { kind: string; metadata: { name: string } };

const EXAMPLES = ["examples/demo/tenants.yaml", "examples/demo/agents.yaml", "examples/tool-module/agent.yaml"];

/** An Agent that has all that adds something to its objects. */
const AGENT = {
  replicas: 2,
  systemPrompt: "You answer support questions.",
  tools: [
    { name: "notes", description: "Notes.", files: { access: "ReadWrite" } },
    {
      name: "wiki",
      description: "The wiki.",
      mcp: { url: "https://mcp.example.com", allowedTools: ["search"], tokenSecretRef: { name: "wiki", key: "token" } },
    },
  ],
  modules: [{ name: "shop", configMapKeyRef: { name: "tools", key: "shop.ts" } }],
};

function liveObjects(): Manifest[] {
  const tenant = madeTenant("acme", { network: { egress: [{ cidr: "203.0.113.0/24", ports: [443] }] } });
  const config = anOperatorConfig();
  return [...tenantObjects(tenant, config), ...agentObjects(madeAgent("acme", "support", AGENT), tenant, config)];
}

const documentsOf = async (path: string): Promise<Manifest[]> =>
  parseAllDocuments(await readFile(join(ROOT, path), "utf8"))
    .map((it) => it.toJS() as Manifest | null)
    .filter((it) => it !== null);

async function written(folder: string, from: string, manifests: readonly Manifest[]): Promise<ManifestSet> {
  await mkdir(folder, { recursive: true });
  const files = manifests.map((it, n) =>
    join(folder, `${String(n).padStart(3, "0")}-${it.kind}-${it.metadata.name}.json`.replaceAll(/[^\w./-]/g, "-")),
  );
  for (const [n, file] of files.entries()) await writeFile(file, JSON.stringify(manifests[n], null, 2));
  return { from, folder, files };
}

/** Everything that we put into a cluster, as JSON files below `folder`. */
export async function writeManifests(folder: string): Promise<{ scanned: ManifestSet[]; own: ManifestSet }> {
  const values = join(folder, "everything.json");
  await mkdir(folder, { recursive: true });
  await writeFile(values, JSON.stringify(EVERYTHING));
  const chart = (await renderChart()) as Manifest[];
  const everything = (await renderChart("--values", values)) as Manifest[];
  const examples = (await Promise.all(EXAMPLES.map(documentsOf))).flat();
  const definitions = await Promise.all(["tenants", "agents"].map((it) => documentsOf(`crds/${it}.agentpg.dev.yaml`)));
  return {
    scanned: [
      await written(join(folder, "chart"), "the chart with its defaults", chart),
      await written(join(folder, "everything"), "the chart with all that it can make", everything),
      await written(
        join(folder, "live"),
        "a Tenant's namespace with an Agent, as the operator makes them",
        liveObjects(),
      ),
    ],
    own: await written(join(folder, "own"), "the definitions of Tenant and Agent, and the examples", [
      ...definitions.flat(),
      ...examples,
    ]),
  };
}
