// Lints the chart with the real helm, and renders it with values that must work and values that must be refused, each of values.yaml
// ill-typed among them. That each value has an effect takes a minute on a busy machine: test/chart/values.test.ts.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { ensureTools } from "../src/local-cluster/index.ts";
import { terminalProgress } from "../src/telemetry/progress.ts";
import { EVERYTHING, illTyped, leavesOf, REQUIRED, withValue } from "./chart-values.ts";

const chart = join(import.meta.dirname, "..", "charts", "agentpg");
const tools = await ensureTools(["helm"], terminalProgress());
const values = parse(readFileSync(join(chart, "values.yaml"), "utf8")) as Record<string, unknown>;
const leaves = leavesOf(values);

interface Rendered {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** @param input values, as a file on standard input */
async function helm(args: string[], input?: object): Promise<Rendered> {
  const child = spawn(tools["helm"] ?? "helm", [...args, ...(input ? ["--values", "-"] : [])]);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: unknown) => void (stdout += String(chunk)));
  child.stderr.on("data", (chunk: unknown) => void (stderr += String(chunk)));
  child.stdin.end(input ? JSON.stringify(input) : "");
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { status, stdout, stderr };
}
const template = (input: object) => helm(["template", "x", chart], input);

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec?: { [key: string]: unknown; groups?: { rules: { annotations: { runbook_url: string } }[] }[] };
}
const objectsOf = ({ stdout }: Rendered): Manifest[] =>
  parseAllDocuments(stdout)
    .map((it) => it.toJS() as Manifest | null)
    .filter((it) => it !== null);
const kindsOf = (rendered: Rendered): string => [...new Set(objectsOf(rendered).map((it) => it.kind))].sort().join(" ");

/** Objects that are not everywhere: off by default. */
const OPTIONAL = ["NetworkPolicy", "PodMonitor", "PrometheusRule", "Secret", "ServiceMonitor"];

const problems: string[] = [];
const expect = (what: string, good: boolean, { stdout, stderr }: Rendered) => {
  if (!good) problems.push(`chart, ${what}\n${stdout.slice(-2000)}${stderr}`);
};

const lint = await helm(["lint", "--strict", chart], EVERYTHING);
expect("lint: expected success", lint.status === 0, lint);

const defaults = await template(REQUIRED);
const everything = await template(EVERYTHING);
expect("defaults: expected success", defaults.status === 0, defaults);
expect("everything: expected success", everything.status === 0, everything);
const withoutProbe = await template(withValue(REQUIRED, ["networkProbe", "enabled"], false)); // which brings policies of its own
for (const kind of OPTIONAL) {
  expect(`defaults: ${kind} is off`, !kindsOf(withoutProbe).includes(kind), withoutProbe);
  expect(`everything: ${kind} is there`, kindsOf(everything).includes(kind), everything);
}
const dashboards = objectsOf(everything).filter((it) => it.metadata.labels?.["grafana_dashboard"] === "1");
expect("everything: four dashboards with the label that Grafana looks for", dashboards.length === 4, everything);

const elsewhere = await template(
  withValue(withValue(EVERYTHING, ["metrics", "rules", "runbookUrl"], "https://wiki.example.com/"), ["commonLabels"], {
    team: "ai",
  }),
);
const pages = objectsOf(elsewhere).flatMap((it) =>
  (it.spec?.groups ?? []).flatMap((group) => group.rules.map((rule) => rule.annotations.runbook_url)),
);
expect(
  "runbookUrl: every alert's page is there",
  pages.length > 20 && pages.every((it) => /^https:\/\/wiki\.example\.com\/AgentPG\w+\.md$/.test(it)),
  elsewhere,
);
const unlabelled = objectsOf(elsewhere).filter((it) => it.metadata.labels?.["team"] !== "ai");
expect(`commonLabels: on every object, not on ${unlabelled.map((it) => it.kind)}`, unlabelled.length === 0, elsewhere);

/** What must be refused, and the words that must be in the answer. */
const REFUSED: [string, object, RegExp][] = [
  ["no database", {}, /database/],
  ["an unknown value", withValue(REQUIRED, ["databse"], { host: "x" }), /databse/],
  ["an unknown value within", withValue(EVERYTHING, ["metrics", "rules", "enabeld"], true), /enabeld/],
  ["a bad log level", withValue(REQUIRED, ["operator", "logLevel"], "loud"), /\/operator\/logLevel/],
  [
    "an interval without a unit",
    withValue(REQUIRED, ["metrics", "podMonitor", "interval"], "30"),
    /podMonitor\/interval/,
  ],
  ["a port that is none", withValue(REQUIRED, ["networkPolicy", "apiServer", "ports"], [70_000]), /apiServer\/ports/],
  [
    "a pooler that is none",
    withValue(REQUIRED, ["database", "pooler"], "Session"),
    /\/database\/pooler.*must be one of 'None', 'Transaction'/,
  ],
  ["a budget of failures over all", withValue(REQUIRED, ["migrations", "failureBudget"], "101%"), /failureBudget/],
  ["a name too long", withValue(REQUIRED, ["fullnameOverride"], "a".repeat(60)), /\/fullnameOverride/],
  ["no place to spread over", withValue(REQUIRED, ["operator", "topologySpreadConstraints"], [{}]), /topologyKey/],
  [
    "fewer connections at most than at least",
    withValue(REQUIRED, ["database", "pool"], { min: 9, max: 4 }),
    /database\.pool\.min \(9\) must not be more than database\.pool\.max \(4\)/,
  ],
  [
    "half a selector",
    withValue(REQUIRED, ["tenantSelector"], "team notin (blue"),
    /tenantSelector "team notin \(blue" must be a label selector .* such as team=blue/,
  ],
  ["a port for root", withValue(REQUIRED, ["console", "port"], 443), /console\/port/],
  ["an env without a name", withValue(REQUIRED, ["operator", "extraEnv"], [{ value: "x" }]), /extraEnv/],
];
for (const [name, input, words] of REFUSED) {
  const answer = await template(input);
  expect(`${name}: expected a refusal that says ${words}`, answer.status !== 0 && words.test(answer.stderr), answer);
}

for (const selector of ["team=blue", "team notin (blue, green),!lab", "example.com/team in (a,),b", "team"]) {
  const answer = await template(withValue(REQUIRED, ["tenantSelector"], selector));
  expect(`the selector ${selector}: expected success`, answer.status === 0, answer);
}

const older = await helm(["template", "x", chart, "--kube-version", "1.30.4"], REQUIRED);
expect(
  "a cluster older than any that is tested: expected a refusal that names both versions",
  older.status !== 0 && /requires kubeVersion: >=1\.31\.0-0.*v1\.30\.4/.test(older.stderr),
  older,
);

// Two releases in one cluster: what has no namespace must have another name, whatever the releases are called.
const clusterScoped = async (release: string, namespace: string, instance: string) => {
  const rendered = await helm(
    ["template", release, chart, "--namespace", namespace],
    withValue(EVERYTHING, ["instance"], instance),
  );
  return objectsOf(rendered)
    .filter((it) => it.metadata.namespace === undefined)
    .map((it) => `${it.kind}/${it.metadata.name}`);
};
const red = await clusterScoped("agentpg", "red-system", "red");
const blue = new Set(await clusterScoped("agentpg", "blue-system", "blue"));
const shared = red.filter((it) => blue.has(it));
expect(
  `two releases of one name, each with an instance: both make ${shared.join(", ")}`,
  red.length > 10 && shared.length === 0,
  everything,
);
const own = await clusterScoped("agentpg-red", "red-system", "red");
expect(
  "a release that has its instance in its name does not have it twice",
  own.includes("ClusterRole/agentpg-red-tenant"),
  everything,
);

// The schema tells of all faults at once.
const wrong = await template(leaves.reduce((all, leaf) => withValue(all, leaf.path, illTyped(leaf)), {}));
const unnamed = leaves.map((it) => `/${it.path.join("/")}`).filter((it) => !wrong.stderr.includes(`'${it}`));
expect(
  `ill-typed values that no error names: ${unnamed.join(", ")}`,
  wrong.status !== 0 && unnamed.length === 0,
  wrong,
);

for (const it of problems) console.error(it);
process.exitCode = problems.length > 0 ? 1 : 0;
