// The chart's ValidatingAdmissionPolicies at a real API server: what they refuse, each for one reason, and what they let be.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { type ControlPlane, startControlPlane } from "../../src/local-cluster/index.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { applyChart, renderChart } from "../support/chart.ts";
import { connect } from "../support/custom-resources.ts";
import { eventually } from "../support/eventually.ts";
import { serviceAccountKubeconfig } from "../support/service-account.ts";

type Json = { [key: string]: unknown };
const OPERATOR = { namespace: "agentpg-system", name: "agentpg" };
const REPLICA_SETS = { namespace: "kube-system", name: "replicaset-controller" };

const strict = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  runAsNonRoot: true,
  seccompProfile: { type: "RuntimeDefault" },
};
const container = (more: Json = {}, security: Json = {}) => ({
  name: "it",
  image: "x",
  securityContext: { ...strict, ...security },
  ...more,
});
const pod = (spec: Json = {}, metadata: Json = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "it", ...metadata },
  spec: { containers: [container()], ...spec },
});
const of = (more: Json, security: Json = {}) => pod({ containers: [container(more, security)] });
const secured = (security: Json) => of({}, security);

/** Pods that Pod Security `restricted` refuses, and a word of what our policy says of each. */
const NOT_RESTRICTED: [string, object, string][] = [
  ["the node's network", pod({ hostNetwork: true }), "hostNetwork"],
  ["the node's processes", pod({ hostPID: true }), "hostPID"],
  ["the node's IPC", pod({ hostIPC: true }), "hostIPC"],
  ["a port of the node", of({ ports: [{ containerPort: 80, hostPort: 80 }] }), "hostPort"],
  ["a probe of another host", of({ livenessProbe: { httpGet: { host: "10.0.0.1", port: 80 } } }), "probes"],
  ["a TCP probe of another host", of({ readinessProbe: { tcpSocket: { host: "10.0.0.1", port: 80 } } }), "probes"],
  [
    "a hook to another host",
    of({ lifecycle: { preStop: { httpGet: { host: "169.254.169.254", port: 80 } } } }),
    "probes",
  ],
  [
    "a Windows host process",
    pod({ hostNetwork: true, securityContext: { windowsOptions: { hostProcess: true } } }),
    "hostProcess",
  ],
  ["a folder of the node", pod({ volumes: [{ name: "v", hostPath: { path: "/" } }] }), "volumes"],
  ["an NFS volume", pod({ volumes: [{ name: "v", nfs: { server: "x", path: "/" } }] }), "volumes"],
  ["all privileges", secured({ privileged: true, allowPrivilegeEscalation: undefined }), "privileged"],
  ["privilege escalation", secured({ allowPrivilegeEscalation: true }), "allowPrivilegeEscalation"],
  ["escalation left open", secured({ allowPrivilegeEscalation: undefined }), "allowPrivilegeEscalation"],
  ["capabilities kept", secured({ capabilities: { drop: ["NET_RAW"] } }), "capabilities.drop"],
  ["no word of capabilities", secured({ capabilities: undefined }), "capabilities.drop"],
  ["a capability added", secured({ capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] } }), "capabilities.add"],
  ["no word of root", secured({ runAsNonRoot: undefined }), "runAsNonRoot"],
  ["root allowed in a container", secured({ runAsNonRoot: false }), "runAsNonRoot"],
  ["root allowed in the pod", pod({ securityContext: { runAsNonRoot: false } }), "runAsNonRoot"],
  ["uid 0 in a container", secured({ runAsUser: 0 }), "runAsUser"],
  ["uid 0 in the pod", pod({ securityContext: { runAsUser: 0 } }), "runAsUser"],
  ["no seccomp profile", secured({ seccompProfile: undefined }), "seccompProfile"],
  ["no seccomp", secured({ seccompProfile: { type: "Unconfined" } }), "seccompProfile"],
  ["no seccomp in the pod", pod({ securityContext: { seccompProfile: { type: "Unconfined" } } }), "seccompProfile"],
  ["no AppArmor", secured({ appArmorProfile: { type: "Unconfined" } }), "AppArmor"],
  ["no AppArmor in the pod", pod({ securityContext: { appArmorProfile: { type: "Unconfined" } } }), "AppArmor"],
  ["an SELinux user", secured({ seLinuxOptions: { user: "sysadm_u" } }), "seLinuxOptions"],
  ["an SELinux type", pod({ securityContext: { seLinuxOptions: { type: "spc_t" } } }), "seLinuxOptions"],
  ["unmasked /proc", pod({ hostUsers: false, containers: [container({}, { procMount: "Unmasked" })] }), "procMount"],
  ["an unsafe sysctl", pod({ securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] } }), "sysctls"],
  [
    "a weak init container",
    pod({
      initContainers: [{ ...container({}, { capabilities: { add: ["SYS_ADMIN"], drop: ["ALL"] } }), name: "init" }],
    }),
    "capabilities.add",
  ],
];

/** Pods of a tenant's own that both let in. */
const RESTRICTED: [string, object][] = [
  ["the least", pod()],
  [
    "said for the whole pod",
    pod({
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      containers: [container({}, { runAsNonRoot: undefined, seccompProfile: undefined })],
    }),
  ],
  ["a Localhost profile", secured({ seccompProfile: { type: "Localhost", localhostProfile: "x.json" } })],
  ["the one capability that may be added", secured({ capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } })],
  ["a writable root file system, which is theirs to choose", secured({ readOnlyRootFilesystem: false })],
  ["a safe sysctl", pod({ securityContext: { sysctls: [{ name: "net.ipv4.ping_group_range", value: "0 1" }] } })],
  ["a probe of itself", of({ livenessProbe: { httpGet: { port: 80 } } })],
  ["an SELinux container type", pod({ securityContext: { seLinuxOptions: { type: "container_t", level: "s0:c1" } } })],
  [
    "all kinds of volumes",
    pod({
      volumes: [
        { name: "a", emptyDir: {} },
        { name: "b", secret: { secretName: "own" } },
        { name: "c", configMap: { name: "x" } },
        { name: "d", projected: { sources: [{ serviceAccountToken: { path: "t", audience: "agentpg" } }] } },
      ],
    }),
  ],
];

const AGENT = { "app.kubernetes.io/name": "agentpg-agent", "agentpg.dev/agent": "support" };
const ofReplicaSet = [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "x", uid: "u", controller: true }];
const agentPod = (spec: Json = {}, security: Json = {}, more: Json = {}) =>
  pod(
    {
      serviceAccountName: "agent-support",
      automountServiceAccountToken: false,
      volumes: [{ name: "database", secret: { secretName: "agentpg-database" } }],
      containers: [
        container(
          { resources: { limits: { memory: "256Mi" } }, ...more },
          { readOnlyRootFilesystem: true, ...security },
        ),
      ],
      ...spec,
    },
    { labels: AGENT, ownerReferences: ofReplicaSet },
  );

let plane: ControlPlane;
let admin: ReturnType<typeof connect>;
const closing: (() => Promise<void>)[] = [];
let operator: KubernetesClient;
type MadePod = { metadata: { name: string }; spec: Json };
let agentsPod: MadePod | undefined;

const as = async ({ namespace, name }: { namespace: string; name: string }): Promise<KubernetesClient> => {
  const { client, close } = connect(await serviceAccountKubeconfig(admin.client, plane.kubeconfig, namespace, name));
  closing.push(close);
  return client;
};
const DRY_RUN = { query: { dryRun: "All" } };
const denied = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "allowed",
    (error: Error) => error.message,
  );
const tryOut = (client: KubernetesClient, kind: kinds.ResourceKind, namespace: string, object: object) =>
  denied(client.request("POST", kinds.resourcePath(kind, namespace), { ...DRY_RUN, body: object }));
const makePod = (client: KubernetesClient, namespace: string, object: object) =>
  tryOut(client, kinds.POD, namespace, object);
const makeNamespace = (name: string, labels: Record<string, string>) =>
  admin.client.apply(kinds.NAMESPACE, { metadata: { name, labels } }, { fieldManager: "test" });

const { ROLE_BINDING } = kinds;
const binding = (namespace: string, more: Json = {}) => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "RoleBinding",
  metadata: { name: "agentpg-operator", namespace },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "agentpg-tenant" },
  subjects: [{ kind: "ServiceAccount", ...OPERATOR }],
  ...more,
});

const REPLICA_SET = { ...kinds.DEPLOYMENT, kind: "ReplicaSet", plural: "replicasets" };
const workload = (kind: string, labels: Json) => ({
  apiVersion: "apps/v1",
  kind,
  metadata: { name: `agent-${kind.toLowerCase()}` },
  spec: {
    replicas: 1,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: (agentPod() as { spec: object }).spec },
  },
});

beforeAll(async () => {
  plane = await startControlPlane({ progress: silentProgress, controllerManager: true });
  admin = connect(plane.kubeconfig);
  await makeNamespace("agentpg-system", {});
  await makeNamespace("plain", {});
  await makeNamespace("acme", { "agentpg.dev/tenant": "acme" });
  await makeNamespace("pss", { "pod-security.kubernetes.io/enforce": "restricted" });
  const chart = await renderChart();
  await applyChart(admin.client, chart, ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]);
  await applyChart(admin.client, chart, ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]);
  const account = (name: string) =>
    admin.client.apply(kinds.SERVICE_ACCOUNT, { metadata: { name, namespace: "acme" } }, { fieldManager: "test" });
  await Promise.all(["agent-support", "own"].map(account));
  operator = await as(OPERATOR);
  // Each breaks more than one rule, so that a policy with one rule less (test/mutants) is seen to be in force as well.
  const inForce = [
    () => makePod(admin.client, "acme", pod({ hostNetwork: true, hostPID: true })),
    () => makePod(admin.client, "acme", pod({}, { labels: AGENT })),
    async () =>
      `${await tryOut(admin.client, kinds.DEPLOYMENT, "acme", workload("Deployment", AGENT))} ${await tryOut(admin.client, REPLICA_SET, "acme", workload("ReplicaSet", AGENT))}`,
    () =>
      tryOut(operator, ROLE_BINDING, "plain", binding("plain", { metadata: { name: "other", namespace: "plain" } })),
    () => denied(operator.request("DELETE", kinds.resourcePath(kinds.NAMESPACE, undefined, "plain"), DRY_RUN)),
  ];
  for (const look of inForce) await eventually(look, (it) => it.includes("ValidatingAdmissionPolicy"), 30);
  await eventually(
    () => makePod(admin.client, "pss", pod()),
    (it) => it === "allowed",
    30,
  ); // its default service account is there
  await eventually(
    () => makePod(admin.client, "acme", pod()),
    (it) => it === "allowed",
    30,
  );
  // Of what is already there: a pod of the tenant's, and an agent's, made as they are made.
  await admin.client.create(kinds.POD, pod({}, { name: "runs" }), "acme");
  await admin.client.create(ROLE_BINDING, binding("acme"), "acme");
  await operator.create(kinds.DEPLOYMENT, workload("Deployment", AGENT), "acme");
  agentsPod = await eventually(
    async () =>
      (await admin.client.list<MadePod>(kinds.POD, "acme", { labelSelector: "agentpg.dev/agent=support" }))[0],
    (it) => it !== undefined,
    30,
  );
});
afterAll(async () => {
  for (const close of closing) await close();
  await admin?.close();
  await plane?.stop();
});

describe("a pod in a tenant's namespace", () => {
  test.each(NOT_RESTRICTED)("with %s is refused, as Pod Security restricted does", async (_what, object, word) => {
    const answer = await makePod(admin.client, "acme", object);
    expect(answer).toContain("agentpg-restricted-pods");
    expect(answer).toContain(word);
    expect(await makePod(admin.client, "pss", object)).toContain("PodSecurity");
    expect(await makePod(admin.client, "plain", object)).not.toContain("ValidatingAdmissionPolicy");
  });

  test.each(RESTRICTED)("that is restricted passes: %s", async (_what, object) => {
    expect(await makePod(admin.client, "acme", object)).toBe("allowed");
    expect(await makePod(admin.client, "pss", object)).toBe("allowed");
  });

  test("gets no weak container afterwards: neither an image of another kind is asked for nor a privileged debugger let in", async () => {
    const path = kinds.resourcePath(kinds.POD, "acme", "runs");
    const debug = (security: Json) =>
      admin.client.request("PATCH", `${path}/ephemeralcontainers`, {
        body: { spec: { ephemeralContainers: [{ name: "d", image: "x", securityContext: security }] } },
        contentType: "application/strategic-merge-patch+json",
      });
    await expect(debug({ ...strict, privileged: true, allowPrivilegeEscalation: undefined })).rejects.toThrow(
      "privileged",
    );
    await debug(strict);
  });
});

const tokenVolume = (audience?: string) => ({
  name: `token-${audience ?? "api"}`,
  projected: { sources: [{ serviceAccountToken: { path: "token", ...(audience ? { audience } : {}) } }] },
});

describe("a pod that is labelled as an agent's", () => {
  test("passes when Kubernetes makes it of the operator's Deployment, and its token is nowhere", () => {
    expect(agentsPod?.spec["serviceAccountName"]).toBe("agent-support");
    expect(JSON.stringify(agentsPod?.spec)).not.toContain("kube-api-access");
  });

  const WEAK: [string, object, string][] = [
    ["a writable root file system", agentPod({}, { readOnlyRootFilesystem: false }), "read-only"],
    ["a token", agentPod({ automountServiceAccountToken: true }), "no Kubernetes token"],
    [
      "a projected token",
      agentPod({ volumes: [{ name: "t", projected: { sources: [{ serviceAccountToken: { path: "t" } }] } }] }),
      "no Kubernetes token",
    ],
    ["a token for another audience", agentPod({ volumes: [tokenVolume("vault")] }), "no Kubernetes token"],
    [
      "a token for the API server beside that for the key broker",
      agentPod({ volumes: [tokenVolume("agentpg-broker"), tokenVolume()] }),
      "no Kubernetes token",
    ],
    [
      "the default token asked for, and another volume in its place",
      agentPod(
        { automountServiceAccountToken: true, volumes: [{ name: "v", emptyDir: {} }] },
        {},
        {
          resources: { limits: { memory: "1Gi" } },
          volumeMounts: [{ name: "v", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }],
        },
      ),
      "no Kubernetes token",
    ],
    ["no memory limit", agentPod({}, {}, { resources: {} }), "memory limit"],
    ["shared processes", agentPod({ shareProcessNamespace: true }), "share no processes"],
    [
      "the database login in its environment",
      agentPod(
        {},
        {},
        {
          resources: { limits: { memory: "1Gi" } },
          env: [{ name: "P", valueFrom: { secretKeyRef: { name: "agentpg-database", key: "password" } } }],
        },
      ),
      "no environment",
    ],
  ];
  test.each(WEAK)("is refused even then with %s", async (_what, object, word) => {
    const controller = await as(REPLICA_SETS);
    expect(await makePod(controller, "acme", agentPod())).toBe("allowed");
    expect(await makePod(controller, "acme", object)).toContain(word);
  });

  test("gets no debug container", async () => {
    const path = kinds.resourcePath(kinds.POD, "acme", agentsPod?.metadata.name, "ephemeralcontainers");
    const body = {
      spec: {
        ephemeralContainers: [{ name: "d", image: "x", securityContext: { ...strict, readOnlyRootFilesystem: true } }],
      },
    };
    const patch = admin.client.request("PATCH", path, { body, contentType: "application/strategic-merge-patch+json" });
    await expect(patch).rejects.toThrow("debug container");
  });

  test("may have the token for its tenant's key broker; the broker's own may not", async () => {
    const controller = await as(REPLICA_SETS);
    const volumes = [tokenVolume("agentpg-broker")];
    expect(await makePod(controller, "acme", agentPod({ volumes }))).toBe("allowed");
    const brokerPod = (spec: Json) => {
      const made = agentPod({ serviceAccountName: undefined, ...spec }) as { metadata: Json };
      return { ...made, metadata: { ...made.metadata, labels: { "app.kubernetes.io/name": "agentpg-broker" } } };
    };
    expect(await makePod(controller, "acme", brokerPod({}))).toBe("allowed");
    expect(await makePod(controller, "acme", brokerPod({ volumes }))).toContain("no Kubernetes token");
  });

  const FORGED: [string, kinds.ResourceKind, object, string][] = [
    ["a pod by hand", kinds.POD, agentPod(), "only the operator's Deployments"],
    [
      "a pod with one of the labels",
      kinds.POD,
      pod({}, { labels: { "agentpg.dev/agent": "support" } }),
      "only the operator's Deployments",
    ],
    [
      "a pod with the other label",
      kinds.POD,
      pod({}, { labels: { "app.kubernetes.io/name": "agentpg-agent" } }),
      "only the operator's Deployments",
    ],
    [
      "a pod with the label of a key broker",
      kinds.POD,
      pod({}, { labels: { "app.kubernetes.io/name": "agentpg-broker" } }),
      "only the operator's Deployments",
    ],
    ["a Deployment", kinds.DEPLOYMENT, workload("Deployment", AGENT), "only the operator makes"],
    [
      "a key broker's Deployment",
      kinds.DEPLOYMENT,
      workload("Deployment", { "app.kubernetes.io/name": "agentpg-broker" }),
      "only the operator makes",
    ],
    ["a ReplicaSet", REPLICA_SET, workload("ReplicaSet", AGENT), "only the operator makes"],
    ["an agent's service account", kinds.POD, pod({ serviceAccountName: "agent-support" }), "service accounts agent-*"],
    [
      "the database login as a volume",
      kinds.POD,
      pod({ volumes: [{ name: "v", secret: { secretName: "agentpg-database" } }] }),
      "only pods of agents and key brokers mount",
    ],
    [
      "the transcript keys, projected",
      kinds.POD,
      pod({ volumes: [{ name: "v", projected: { sources: [{ secret: { name: "agentpg-transcript-keys" } }] } }] }),
      "only pods of agents and key brokers mount",
    ],
    [
      "the database login as environment",
      kinds.POD,
      of({ envFrom: [{ secretRef: { name: "agentpg-database" } }] }),
      "no environment",
    ],
  ];
  test.each(FORGED)("is made by nobody else, the administrator included: %s", async (_what, kind, object, word) => {
    expect(await tryOut(admin.client, kind, "acme", object)).toContain(word);
    expect(await tryOut(admin.client, kind, "plain", object)).not.toContain("ValidatingAdmissionPolicy");
  });

  test("is not made of another pod, nor its Deployment's template changed, by whoever may patch them", async () => {
    await expect(admin.client.mergePatch(kinds.POD, "runs", "acme", { metadata: { labels: AGENT } })).rejects.toThrow(
      "by its labels",
    );
    const template = { spec: { template: { metadata: { annotations: { a: "b" } } } } };
    await expect(admin.client.mergePatch(kinds.DEPLOYMENT, "agent-deployment", "acme", template)).rejects.toThrow(
      "only the operator makes",
    );
    await admin.client.mergePatch(kinds.DEPLOYMENT, "agent-deployment", "acme", {
      metadata: { annotations: { a: "b" } },
    });
    await admin.client.mergePatch(kinds.POD, "runs", "acme", { metadata: { labels: { mine: "yes" } } });
  });
});

describe("who has the operator's token", () => {
  const bind = (namespace: string, more: Json = {}) =>
    tryOut(operator, ROLE_BINDING, namespace, binding(namespace, more));

  test("binds its role in a tenant's namespace, and in no other: no Secret elsewhere can be read", async () => {
    await admin.client.delete(ROLE_BINDING, "agentpg-operator", "acme");
    expect(await bind("acme")).toBe("allowed");
    for (const namespace of ["plain", "kube-system", "agentpg-system", "default"])
      expect(await bind(namespace)).toContain("only in namespaces labelled agentpg.dev/tenant");
  });

  test("binds it to nobody else, under no other name", async () => {
    expect(await bind("acme", { subjects: [{ kind: "ServiceAccount", namespace: "acme", name: "own" }] })).toContain(
      "nobody but itself",
    );
    expect(await bind("acme", { subjects: [{ kind: "User", name: "eve" }] })).toContain("nobody but itself");
    expect(await bind("acme", { metadata: { name: "other", namespace: "acme" } })).toContain("no RoleBinding but");
  });

  test("makes no namespace a tenant's, deletes none that it did not make, and changes those of tenants", async () => {
    const label = (name: string) =>
      denied(
        operator.mergePatch(kinds.NAMESPACE, name, undefined, { metadata: { labels: { "agentpg.dev/tenant": "x" } } }),
      );
    expect(await label("plain")).toContain("labelled agentpg.dev/tenant");
    expect(await label("kube-system")).toContain("labelled agentpg.dev/tenant");
    expect(await label("acme")).toBe("allowed");
    expect(await denied(operator.delete(kinds.NAMESPACE, "plain"))).toContain("labelled agentpg.dev/tenant");
    expect(await denied(operator.delete(kinds.NAMESPACE, "acme"))).toContain("only namespaces that it made");
    const claim = { metadata: { annotations: { "agentpg.dev/created": "true" } } };
    expect(await denied(operator.mergePatch(kinds.NAMESPACE, "acme", undefined, claim))).toContain(
      "its own afterwards",
    );
  });

  test("lists no Secrets, of the cluster or of a namespace", async () => {
    for (const namespace of [undefined, "acme", "kube-system", "agentpg-system"])
      expect(await denied(operator.list(kinds.SECRET, namespace))).toContain("forbidden");
  });
});

test("Kubernetes finds no fault with the policies' types", async () => {
  const policies = {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    plural: "validatingadmissionpolicies",
    namespaced: false,
  };
  const checked = await eventually(
    () => admin.client.list<{ status?: { typeChecking?: { expressionWarnings?: unknown[] } } }>(policies),
    (all) => all.length === 5 && all.every((it) => it.status?.typeChecking !== undefined),
    30,
  );
  expect(checked.flatMap((it) => it.status?.typeChecking?.expressionWarnings ?? [])).toEqual([]);
});
