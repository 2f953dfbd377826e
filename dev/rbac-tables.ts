// The tables of docs/rbac.md, from the roles of the chart as helm renders it.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ensureTools } from "../src/local-cluster/index.ts";
import { terminalProgress } from "../src/telemetry/progress.ts";

interface Rule {
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  verbs: string[];
}
interface Role {
  kind: string;
  metadata: { name: string; namespace?: string };
  rules: Rule[];
}

/** By role and resource, what the operator needs it for. A right without a reason fails the check, as does a reason without a right. */
const WHY: Record<string, string> = {
  "agentpg tenants": "watches them; patches the finalizer",
  "agentpg agents":
    "watches them; looks whether one is still there before what it lost is made again, or its policy deleted",
  "agentpg tenants/status": "conditions",
  "agentpg agents/status": "conditions",
  "agentpg agents/finalizers": "owner references with `blockOwnerDeletion`, where the cluster checks them",
  "agentpg namespaces":
    "makes, labels and (deletionPolicy Delete) deletes the tenant's; reads the UID of `kube-system`",
  "agentpg rolebindings":
    "binds itself in a tenant's namespace, an admission policy refuses it anywhere else; takes another release's binding away when a Tenant is handed over",
  "agentpg clusterroles": "the one role that it may bind",
  "agentpg-events events": "Events about Tenants (in `default`) and about Agents outside a tenant",
  "agentpg-tenant secrets":
    "publishes `agentpg-database` and the transcript keys, reads the API key by name; no list, no watch",
  "agentpg-tenant configmaps": "agent configuration, issuer keys; reads what `systemPromptFrom` and `modules` name",
  "agentpg-tenant deployments": "the agents and the key broker",
  "agentpg-tenant poddisruptionbudgets": "from two replicas on, away again below",
  "agentpg-tenant services": "made and repaired; they go with their Agent, or the key broker's Deployment",
  "agentpg-tenant serviceaccounts": "made and repaired; they go with their Agent",
  "agentpg-tenant rolebindings": "gives its own rights up when the Tenant goes",
  "agentpg-tenant pods":
    "why pods do not start, whether they are restricted, whether they are gone before a deletion goes on or a policy is deleted; patches the annotation `agentpg.dev/secrets`, so that the kubelet brings a changed Secret at once",
  "agentpg-tenant events": "Events about Agents",
  "agentpg leases": "leader election",
  "agentpg-probe pods": "the four pods of the network probe",
  "agentpg-console secrets": "the key of the console's sessions: reads it, and fills it when it is empty",
  "agentpg-console tokenreviews": "asks whose token it is",
  "agentpg-console subjectaccessreviews": "asks what they may see",
};
const CACHED = "the caches; label selectors choose what it asks for, RBAC does not";
for (const it of "configmaps services serviceaccounts resourcequotas limitranges deployments networkpolicies poddisruptionbudgets".split(
  " ",
))
  WHY[`agentpg ${it}`] = CACHED;
const GIVEN_BACK = "made and repaired; taken away when a handed-over namespace is given back";
for (const it of ["resourcequotas", "limitranges"]) WHY[`agentpg-tenant ${it}`] = GIVEN_BACK;
WHY["agentpg-tenant networkpolicies"] = `${GIVEN_BACK}, and after the last pod of a deleted Agent`;

const TITLES: Record<string, string> = {
  "ClusterRole agentpg": "**Everywhere**: ClusterRole `agentpg`, bound by the chart",
  "ClusterRole agentpg-tenant":
    "**In each tenant's namespace**: ClusterRole `agentpg-tenant`, bound there by the operator",
  "Role agentpg": "**In the operator's namespace**: Role `agentpg`",
  "ClusterRole agentpg-events": "**Events, everywhere**: ClusterRole `agentpg-events`",
  "Role agentpg-probe": "**In the namespace of the network probe**: Role `agentpg-probe`",
  "Role agentpg-console": "**In the operator's namespace, with `console.enabled`**: Role `agentpg-console`",
  "ClusterRole agentpg-console": "**Everywhere, with `console.enabled`**: ClusterRole `agentpg-console`",
};

/** Bound to nobody by the chart; docs/console.md tells of them. */
const FOR_PEOPLE = /-console-(viewer|transcripts|approver|auditor)$/;

async function roles(): Promise<Role[]> {
  const { helm } = await ensureTools(["helm"], terminalProgress());
  const required = ["database.host=x", "database.credentialsSecret=x", "console.enabled=true"].flatMap((it) => [
    "--set",
    it,
  ]);
  const args = [
    "template",
    "agentpg",
    join(import.meta.dirname, "../charts/agentpg"),
    "-n",
    "agentpg-system",
    ...required,
  ];
  const { status, stdout, stderr } = spawnSync(helm, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`helm ${args.join(" ")}: ${stderr}`);
  const objects = parseAllDocuments(stdout).map((it) => it.toJS() as Role | null);
  const all = objects.filter((it): it is Role => it?.kind === "ClusterRole" || it?.kind === "Role");
  return all.filter(({ metadata }) => !FOR_PEOPLE.test(metadata.name));
}

const reasons = new Set(Object.keys(WHY));
function row(role: string, resource: string, { resourceNames, apiGroups = [], verbs }: Rule): string {
  const why = WHY[`${role} ${resource}`];
  if (why === undefined)
    throw new Error(`dev/rbac-tables.ts: say in WHY why ${role} may ${verbs.join(", ")} ${resource}`);
  reasons.delete(`${role} ${resource}`);
  const named = resourceNames ? ` ${resourceNames.map((it) => `\`${it}\``).join(", ")}` : "";
  return `| ${apiGroups[0] || "core"} | ${resource}${named} | ${verbs.join(", ")} | ${why} |`;
}

/** The page with the table between its two comments as the chart has it. @throws Error for a right that has no reason */
export async function withRbacTables(page: string): Promise<string> {
  const tables = (await roles()).map(({ kind, metadata, rules }) => {
    const title = TITLES[`${kind} ${metadata.name}`];
    if (title === undefined) throw new Error(`dev/rbac-tables.ts: ${kind} ${metadata.name} has no title`);
    const rows = rules.flatMap((rule) => (rule.resources ?? []).map((it) => row(metadata.name, it, rule)));
    return [title, "", "| Group | Resource | Verbs | Why |", "|---|---|---|---|", ...rows, ""].join("\n");
  });
  const [stale] = reasons;
  if (stale !== undefined)
    throw new Error(`dev/rbac-tables.ts: the chart grants no ${stale} any more: take it out of WHY`);
  return page.replace(
    /(<!-- rbac:begin -->\n)[\s\S]*?(<!-- rbac:end -->)/,
    (_all, begin: string, end: string) => `${begin}\n${tables.join("\n")}\n${end}`,
  );
}
