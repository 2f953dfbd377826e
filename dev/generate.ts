// Writes what is generated from the zod schemas: crds/*.yaml and the chart's copy.
//   npm run generate            writes
//   npm run generate -- --check exits 1 when a committed file differs
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { agentDefinition, tenantDefinition } from "../src/api/crd/definitions.ts";

const root = dirname(import.meta.dirname);
const header = "# Generated from src/api by `npm run generate`; do not edit.\n";

const definitions = { "tenants.agentpg.dev.yaml": tenantDefinition(), "agents.agentpg.dev.yaml": agentDefinition() };

const files = new Map<string, string>();
for (const [name, definition] of Object.entries(definitions)) {
  // YAML 1.1, as helm and kubectl read it: a bare Off would be false.
  const text = header + stringify(definition, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false });
  for (const folder of ["crds", "charts/agentpg/crds"]) files.set(join(folder, name), text);
}

const check = process.argv.includes("--check");
let stale = 0;
for (const [path, text] of files) {
  const target = join(root, path);
  if (existsSync(target) && readFileSync(target, "utf8") === text) continue;
  stale++;
  if (check) {
    console.error(`${path} differs from src/api: run \`npm run generate\` and commit the result`);
  } else {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    console.error(`wrote ${path}`);
  }
}
if (check && stale > 0) process.exit(1);
