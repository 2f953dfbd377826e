// Checks that imports go one way (docs/architecture.md, design §9) and that `pg` is imported in src/database only.
//   node dev/dependency-rules.ts             exits 1 and names each import that breaks a rule
//   node dev/dependency-rules.ts --picture   prints the layers as they are, as a Mermaid graph
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const root = join(import.meta.dirname, "..");
const src = join(root, "src");

/** What each layer may import beside itself. A path of two parts is a layer of its own. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  api: [],
  telemetry: [],
  process: [],
  kubernetes: ["telemetry"],
  database: ["api", "telemetry"],
  runtime: ["api", "database", "process", "telemetry"],
  broker: ["api", "database", "process", "runtime", "telemetry"],
  operator: [
    "api",
    "kubernetes",
    "database",
    "process",
    "telemetry",
    "operator/tenant",
    "operator/agent",
    "operator/console",
  ],
  "operator/tenant": ["api", "kubernetes", "database", "telemetry", "operator"],
  "operator/agent": ["api", "kubernetes", "database", "telemetry", "operator"],
  "operator/console": ["api", "kubernetes", "database", "process", "telemetry", "operator"],
  // The console's page, for browsers: it knows its server by the types in `api` alone.
  console: ["api"],
  "local-cluster": ["telemetry"],
  cli: ["api", "kubernetes", "database", "telemetry", "operator", "runtime", "broker", "local-cluster"],
};

/** Packages that one layer alone may import. */
const PACKAGE_OWNER: Record<string, readonly string[]> = {
  pg: ["database"],
  "@kubernetes/client-node": ["kubernetes"],
  "@anthropic-ai/sdk": ["runtime"],
  express: ["runtime"],
  "@opentelemetry/api": ["telemetry"],
  "@opentelemetry/core": ["telemetry"],
  "@opentelemetry/exporter-trace-otlp-http": ["telemetry"],
  "@opentelemetry/resources": ["telemetry"],
  "@opentelemetry/sdk-trace": ["telemetry"],
  preact: ["console"],
};

/** Packages of the layers that stay small. */
const ONLY_PACKAGES: Record<string, readonly string[]> = { api: ["zod"] };

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^'"\n;]*?(?:\n[^'";]*?)*?from\s*["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)|(?:^|\n)\s*import\s+["']([^"']+)["']/g;

const layerOf = (file: string): string => {
  const parts = relative(src, file).split("/");
  const two = `${parts[0]}/${parts[1]}`;
  return two in MAY_IMPORT && parts.length > 2 ? two : (parts[0] ?? "");
};

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

const problems: string[] = [];
const edges = new Set<string>();
const importsOf = (file: string): string[] =>
  [...readFileSync(file, "utf8").matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
const leadsOut = (file: string, specifier: string): boolean =>
  specifier.startsWith(".") && !resolve(dirname(file), specifier).startsWith(`${src}/`);

const all = globSync("**/*.{ts,tsx}", { cwd: src });
const isTest = (name: string): boolean => name.endsWith(".test.ts");
for (const name of all.filter(isTest))
  for (const specifier of importsOf(join(src, name)).filter((it) => leadsOut(join(src, name), it)))
    problems.push(
      `src/${name} imports ${specifier}: a test beside the source needs nothing but source, move it to test/`,
    );

const files = all.filter((it) => !isTest(it));
let imports = 0;
for (const name of files) {
  const file = join(src, name);
  const layer = layerOf(file);
  if (!(layer in MAY_IMPORT))
    problems.push(`src/${name}: the folder ${layer} is no layer: add it to dev/dependency-rules.ts`);
  for (const specifier of importsOf(file)) {
    imports++;
    if (leadsOut(file, specifier)) {
      if (layer !== "cli") problems.push(`src/${name} imports ${specifier}, which is outside src`);
    } else if (specifier.startsWith(".")) {
      const other = layerOf(resolve(dirname(file), specifier));
      if (other === layer) continue;
      edges.add(`${layer} --> ${other}`);
      if (!MAY_IMPORT[layer]?.includes(other))
        problems.push(`src/${name} imports ${specifier}: ${layer} must not depend on ${other}`);
    } else if (!specifier.startsWith("node:")) {
      const pack = packageOf(specifier);
      const owners = PACKAGE_OWNER[pack];
      if (owners && !owners.includes(layer))
        problems.push(`src/${name} imports ${pack}, which is for ${owners.join(" and ")} only`);
      const allowed = ONLY_PACKAGES[layer];
      if (allowed && !allowed.includes(pack))
        problems.push(`src/${name} imports ${pack}: ${layer} may import ${allowed.join(", ")} only`);
    }
  }
}
// A checker that reads nothing would pass everything.
if (files.length < 20 || imports < 50)
  problems.push(`only ${files.length} files and ${imports} imports were seen: the check itself is broken`);

if (process.argv.includes("--picture")) {
  const lines = [...edges]
    .map((it) => `  ${it.replaceAll("/", "_").replaceAll("-c", "_c").replaceAll("local_cluster", "local_cluster")}`)
    .sort();
  console.log(["graph TD", ...lines].join("\n"));
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
