// The operator as the chart installs it: with its own token, its own rights and under the chart's admission policies.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { type Tenant, tenant } from "../../src/api/tenant.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { Applier } from "../../src/operator/applier.ts";
import { AGENT, Caches, TENANT } from "../../src/operator/caches.ts";
import type { RunningOperator } from "../../src/operator/main.ts";
import { PROBE_PODS } from "../../src/operator/network/probe/pods.ts";
import { TenantDeletion } from "../../src/operator/tenant/deletion.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { applyChart, renderChart, type Rendered } from "../support/chart.ts";
import { AuditLog, type Request } from "../support/convergence/audit-log.ts";
import { connect, installDefinitions } from "../support/custom-resources.ts";
import { eventually } from "../support/eventually.ts";
import { describeGrant, grantsOf, unusedGrants } from "../support/granted-verbs.ts";
import { conditionOf, type OperatorHarness, startHarness } from "../support/operator-harness.ts";
import { serviceAccountKubeconfig } from "../support/service-account.ts";

const PROBES = "agentpg-system-probe";
let it: OperatorHarness;
let chart: Rendered[];
let own: { client: KubernetesClient; close(): Promise<void> };
let kubeconfig: string;
let operator: RunningOperator;
const requests: Request[] = [];
let audit: AuditLog;

const configuration = (networkProbe: object) => ({
  serviceAccount: "agentpg",
  tenantClusterRole: "agentpg-tenant",
  networkProbe: { enabled: true, namespace: PROBES, firstAfterSeconds: 0, ...networkProbe },
});

beforeAll(async () => {
  it = await startHarness({ auditLog: true });
  audit = new AuditLog(it.plane.auditLog ?? "");
  chart = await renderChart();
  const rest = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "NetworkPolicy"];
  await applyChart(it.client, chart, ["Namespace"]);
  await applyChart(it.client, chart, [...rest, "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]);
  kubeconfig = await serviceAccountKubeconfig(it.client, it.kubeconfig, "agentpg-system", "agentpg");
  own = connect(kubeconfig);
  operator = await it.startOperator(configuration({ timeoutSeconds: 60 }), kubeconfig);
}, 1_800_000);
afterAll(async () => {
  await own?.close();
  await it?.stop();
});

/** What the kubelet and the network would do: all pods run; a connection passes unless `stopped` says no. */
async function playNode(stopped: boolean): Promise<void> {
  const set = (name: string, status: object) => it.client.mergePatch(kinds.POD, name, PROBES, { status }, "status");
  const there = (name: string) =>
    eventually(
      () => it.client.get(kinds.POD, name, PROBES),
      () => true,
      30,
    );
  for (const name of [PROBE_PODS.open, PROBE_PODS.closed]) {
    await there(name);
    await set(name, { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }] });
  }
  const blocked = stopped ? "unreachable" : "connected";
  const ended = (seen: object) => ({
    phase: "Succeeded",
    containerStatuses: [
      {
        name: "probe",
        image: "x",
        imageID: "x",
        ready: false,
        restartCount: 0,
        state: { terminated: { exitCode: 0, message: JSON.stringify(seen) } },
      },
    ],
  });
  await there(PROBE_PODS.free);
  await set(PROBE_PODS.free, ended({ open: "connected", closed: blocked }));
  await there(PROBE_PODS.confined);
  await set(PROBE_PODS.confined, ended({ open: blocked }));
}
const network = (tenant: string, status: string, reason: string) =>
  it.condition("Tenant", tenant, "NetworkReady", status, reason);
const podsLeft = () =>
  eventually(
    () => it.client.list<{ metadata: { name: string } }>(kinds.POD, PROBES),
    (pods) => pods.length === 0,
    40,
  );

describe("the operator with its own rights, under the chart's policies", () => {
  test("brings a tenant and its agents up, and repairs what others change", async () => {
    await it.prepareTenantNamespace("acme", "acme");
    await it.apply(TENANT, aTenant("acme"));
    await it.condition("Tenant", "acme", "Ready", "True");
    await it.apply(AGENT, anAgent("acme", "support", { replicas: 2 }));
    await eventually(
      () => it.client.list(kinds.POD, "acme", { labelSelector: "app.kubernetes.io/name=agentpg-agent" }),
      (pods) => pods.length === 2,
      60,
    );
    await it.client.mergePatch(kinds.NETWORK_POLICY, "agentpg-default-deny", "acme", { spec: { ingress: [{}] } });
    await it.client.mergePatch(kinds.SERVICE, "agent-support", "acme", { spec: { selector: { a: "b" } } });
    await eventually(
      () => it.agent("support", "acme"),
      ({ status }) => status?.["configRevision"] !== undefined, // from then on what is missing was lost
      30,
    );
    await it.client.delete(kinds.POD_DISRUPTION_BUDGET, "agent-support", "acme");
    await eventually(
      () => it.client.get(kinds.POD_DISRUPTION_BUDGET, "agent-support", "acme"),
      ({ metadata }) => metadata.deletionTimestamp === undefined,
      30,
    );
    await it.client.mergePatch(kinds.NAMESPACE, "acme", undefined, {
      metadata: { labels: { "agentpg.dev/tenant": null } },
    });
    await eventually(
      () => it.client.get<{ metadata: { labels: Record<string, string> } }>(kinds.NAMESPACE, "acme"),
      ({ metadata }) => metadata.labels["agentpg.dev/tenant"] === "acme",
      30,
    );
  });

  test("says Enforced when a policy stops the probe's packets, and leaves no pod behind", async () => {
    await playNode(true);
    const { message } = await network("acme", "True", "Enforced");
    expect(message).toContain("stopped by a default-deny policy both ways");
    expect(await operator.metrics.metrics()).toContain("agentpg_network_policy_enforced 1");
    await podsLeft();
  });

  test("says NotEnforced, with the remedy, when they pass, and tenants stay ready; a restart forgets nothing and writes nothing", async () => {
    await it.stopOperator();
    operator = await it.startOperator(configuration({}), kubeconfig);
    await playNode(false);
    const { message } = await network("acme", "False", "NotEnforced");
    expect(message).toContain("use a network plugin that enforces NetworkPolicy");
    expect(conditionOf(await it.tenant("acme"), "Ready")?.status).toBe("True");
    expect(await operator.metrics.metrics()).toContain("agentpg_network_policy_enforced 0");
    await podsLeft();
    await it.stopOperator();
    const before = (await it.tenant("acme")).metadata.resourceVersion;
    operator = await it.startOperator(configuration({ firstAfterSeconds: 3600 }), kubeconfig);
    await eventually(
      () => operator.leading(),
      (leads) => leads,
      30,
    );
    await eventually(
      () => operator.client.sent["GET"] ?? 0,
      (sent) => sent > 5,
      30,
    );
    expect((await it.tenant("acme")).metadata.resourceVersion).toBe(before);
  });

  test("where enforcement is required, a tenant is not ready without it", async () => {
    await it.stopOperator();
    operator = await it.startOperator(configuration({ firstAfterSeconds: 3600, required: true }), kubeconfig);
    await it.condition("Tenant", "acme", "Ready", "False", "NotEnforced");
  });

  let released: Tenant;
  test("takes agents and tenants down again, a namespace that it made and one that it was given", async () => {
    await it.apply(TENANT, aTenant("globex", { deletionPolicy: "Delete" }));
    await it.condition("Tenant", "globex", "NamespaceReady", "True");
    await it.apply(AGENT, anAgent("acme", "support", { replicas: 1 }));
    await eventually(
      () => it.client.list(kinds.POD_DISRUPTION_BUDGET, "acme"),
      (all) => all.length === 0,
      30,
    );
    await it.client.mergePatch(TENANT, "acme", undefined, { spec: { deletionPolicy: "Delete" } });
    // As an operator leaves it that gives its rights back and is killed before it lets the Tenant go.
    await it.stopOperator();
    for (const { metadata } of await it.client.list(kinds.ROLE_BINDING, "acme"))
      await it.client.delete(kinds.ROLE_BINDING, metadata.name, "acme");
    operator = await it.startOperator(configuration({ firstAfterSeconds: 3600 }), kubeconfig);
    await it.client.delete(TENANT, "acme");
    released = tenant.parse(await it.client.get(TENANT, "acme"));
    await it.client.delete(TENANT, "globex");
    await eventually(
      async () => {
        // No kubelet: whoever is told to stop has.
        for (const { metadata } of await it.client.list(kinds.POD, "acme"))
          await it.client
            .request("DELETE", kinds.resourcePath(kinds.POD, "acme", metadata.name), {
              body: { gracePeriodSeconds: 0 },
            })
            .catch(() => {});
        return it.client.list(TENANT);
      },
      (all) => all.length === 0,
      90,
    );
  }, 120_000);

  test("takes no rights again for a Tenant that it let go, when its cache has not heard of that yet", async () => {
    const config = it.operatorConfig(configuration({}));
    const caches = new Caches(own.client, silentLogger, 60_000); // of what is in the namespace it has not heard either
    const deps = { client: own.client, caches, config, placement: { find: () => Promise.resolve(undefined) } };
    const deletion = new TenantDeletion(deps, new Applier(own.client, caches, "test"));
    expect(await deletion.run(released)).toBe("gone");
    expect(await it.client.list(kinds.ROLE_BINDING, "acme")).toEqual([]);
  });
});

/** Why a right is granted that the scenario above cannot use. */
const JUSTIFIED: Record<string, string> = {
  ...Object.fromEntries(
    "deployments limitranges networkpolicies poddisruptionbudgets resourcequotas serviceaccounts services"
      .split(" ")
      .map((it) => [`agentpg-tenant: get ${it}`, "who made an object that is there already: foreign-objects.test.ts"]),
  ),
  "agentpg: get rolebindings": "the same",
  "agentpg-tenant: patch pods": "pods that run get an annotation when a Secret of theirs changes; here none runs",
  "agentpg-tenant: get configmaps": "the same, and what systemPromptFrom and modules name",
  "agentpg-events: get events": "an Event that is repeated is counted up",
  "agentpg-events: patch events": "the same",
  "agentpg-tenant: get events": "the same",
  "agentpg-tenant: patch events": "the same",
  "agentpg: bind clusterroles": "checked when the RoleBinding is made, which is no request of its own",
  "agentpg: update agents/finalizers":
    "asked for blockOwnerDeletion by OwnerReferencesPermissionEnforcement, which is off here",
};

test("every verb that the chart grants is used, but those with a reason", async () => {
  requests.push(...(await audit.news()).filter(({ user }) => user === "agentpg"));
  const everywhere = new Set(["agentpg", "agentpg-events"]);
  const reaches = (role: string, { key }: Request) => {
    if (everywhere.has(role)) return true;
    const [namespace] = key.split("/");
    if (role === "agentpg-probe") return namespace === PROBES;
    return role === "agentpg-tenant" ? namespace === "acme" || namespace === "globex" : true;
  };
  const unused = unusedGrants(grantsOf(chart), requests, reaches).map(describeGrant);
  expect(unused.sort()).toEqual(Object.keys(JUSTIFIED).sort());
});

test("the operator's own token lists no Secret anywhere, and reads none outside tenants", async () => {
  const refused = (work: Promise<unknown>) => expect(work).rejects.toThrow("forbidden");
  await refused(own.client.list(kinds.SECRET));
  for (const namespace of ["kube-system", "agentpg-system", PROBES, "default"]) {
    await refused(own.client.list(kinds.SECRET, namespace));
    await refused(own.client.get(kinds.SECRET, "any", namespace));
  }
  const review = (verb: string) =>
    own.client.request<{ status: { allowed: boolean } }>(
      "POST",
      "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
      {
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec: { resourceAttributes: { verb, resource: "secrets" } },
        },
      },
    );
  for (const verb of ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"])
    expect((await review(verb)).status.allowed, verb).toBe(false);
});

describe("what the operator says when it cannot work", () => {
  interface Line {
    msg: string;
    err?: { message: string };
  }
  const CLUSTER_ROLE = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    plural: "clusterroles",
    namespaced: false,
  };
  const lines = () => it.log.map((line) => JSON.parse(line) as Line);
  const waitFor = (said: (line: Line) => boolean) => eventually(lines, (all) => all.some(said), 30);
  const startAnew = async () => {
    it.log.length = 0;
    operator = await it.startOperator(configuration({ firstAfterSeconds: 3600 }), kubeconfig);
  };

  test("without the definitions: how to install them; then it goes on by itself", async () => {
    await it.stopOperator();
    const names = ["tenants.agentpg.dev", "agents.agentpg.dev"];
    for (const name of names) await it.client.delete(kinds.CUSTOM_RESOURCE_DEFINITION, name);
    await eventually(
      () => it.client.list<{ metadata: { name: string } }>(kinds.CUSTOM_RESOURCE_DEFINITION),
      (all) => !all.some(({ metadata }) => names.includes(metadata.name)),
    );
    await startAnew();
    for (const kind of ["Tenant", "Agent"])
      await waitFor(({ msg }) => msg.includes(`this cluster has no CustomResourceDefinition of ${kind} `));
    expect(it.log.join("")).toContain("kubectl apply --server-side -f charts/agentpg/crds/");
    expect(operator.leading()).toBe(false);
    await installDefinitions(it.client);
    await eventually(operator.leading, Boolean, 40);
  });

  test("without its role: the account, the verb and the resource, and what brings the right back", async () => {
    await it.stopOperator();
    await it.client.delete({ ...CLUSTER_ROLE, kind: "ClusterRoleBinding", plural: "clusterrolebindings" }, "agentpg");
    await startAnew();
    await waitFor(({ msg, err }) => {
      const named = /User "system:serviceaccount:agentpg-system:agentpg" cannot list resource "tenants"/;
      return (
        named.test(err?.message ?? "") && msg.includes("may not list and watch tenants") && /helm upgrade/.test(msg)
      );
    });
    expect(operator.leading()).toBe(false);
    await applyChart(it.client, chart, ["ClusterRoleBinding"]);
    await eventually(operator.leading, Boolean, 40);
  });

  test("without one right in a tenant's namespace: the verb and the resource, in the log of the reconcile that failed", async () => {
    const role = chart.find(({ kind, metadata }) => kind === "ClusterRole" && metadata.name === "agentpg-tenant");
    const all = (role?.["rules"] ?? []) as { resources: string[] }[];
    const rules = all.filter(({ resources }) => !resources.includes("limitranges"));
    await it.client.mergePatch(CLUSTER_ROLE, "agentpg-tenant", undefined, { rules });
    await it.prepareTenantNamespace("initech", "initech");
    await it.apply(TENANT, aTenant("initech"));
    const cannot = /cannot patch resource "(limitranges|resourcequotas)" in API group "" in the namespace "initech"/;
    await waitFor(({ msg, err }) => msg === "reconcile failed" && cannot.test(err?.message ?? ""));
    await applyChart(it.client, chart, ["ClusterRole"]);
    await it.condition("Tenant", "initech", "Ready", "True", undefined, 60);
  });
});
