// Writes what is generated from the zod schemas: crds/*.yaml and the chart's copy, the agent's OpenAPI document, the client's types, docs/reference,
// the tables of metrics in docs/metrics.md, that of the spans' attributes in docs/observability.md, from the chart those of rights in
// docs/rbac.md, the lists of mutants and of scanners' findings in docs/security, and the chart's Grafana dashboards.
//   npm run generate            writes
//   npm run generate -- --check exits 1 when a committed file differs
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { agentDefinition, tenantDefinition } from "../src/api/crd/definitions.ts";
import { openApiDocument } from "../src/runtime/http/openapi.ts";
import { withAttributeTable } from "./attribute-table.ts";
import { clientTypes } from "./client-types.ts";
import { DASHBOARDS } from "./dashboards/all.ts";
import { dashboardJson } from "./dashboards/grafana.ts";
import { withMetricTables } from "./metric-tables.ts";
import { mutantsPage } from "./mutants-page.ts";
import { withRbacTables } from "./rbac-tables.ts";
import { resourceReference } from "./resource-reference.ts";
import { scannersPage } from "./scanners-page.ts";

const root = dirname(import.meta.dirname);
const header = "# Generated from src/api by `npm run generate`; do not edit.\n";

const definitions = { "tenants.agentpg.dev.yaml": tenantDefinition(), "agents.agentpg.dev.yaml": agentDefinition() };

const files = new Map<string, string>();
for (const [name, definition] of Object.entries(definitions)) {
  // YAML 1.1, as helm and kubectl read it: a bare Off would be false.
  const text = header + stringify(definition, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false });
  for (const folder of ["crds", "charts/agentpg/crds"]) files.set(join(folder, name), text);
}

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
const document = openApiDocument("NAME", version);
files.set("docs/openapi.json", `${JSON.stringify(document, null, 2)}\n`);
const types = "src/runtime/client/types.ts";
files.set(types, clientTypes(document.components.schemas, root, types));

for (const [page, text] of Object.entries(resourceReference())) files.set(page, text);
files.set("docs/metrics.md", withMetricTables(readFileSync(join(root, "docs/metrics.md"), "utf8")));
files.set("docs/security/mutants.md", mutantsPage());
files.set("docs/security/scanners.md", scannersPage());
files.set("docs/observability.md", withAttributeTable(readFileSync(join(root, "docs/observability.md"), "utf8")));
files.set("docs/rbac.md", await withRbacTables(readFileSync(join(root, "docs/rbac.md"), "utf8")));

for (const [name, dashboard] of Object.entries(DASHBOARDS))
  files.set(`charts/agentpg/files/dashboards/${name}.json`, dashboardJson(dashboard));

const check = process.argv.includes("--check");
let stale = 0;
for (const [path, text] of files) {
  const target = join(root, path);
  if (existsSync(target) && readFileSync(target, "utf8") === text) continue;
  stale++;
  if (check) {
    console.error(`${path} differs from the code: run \`npm run generate\` and commit the result`);
  } else {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    console.error(`wrote ${path}`);
  }
}
if (check && stale > 0) process.exit(1);
