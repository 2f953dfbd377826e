import { expect, test } from "vitest";
import { agent } from "../../../api/agent.ts";
import { SECURITY_CHECKS } from "../../../api/security-checks.ts";
import { tenant } from "../../../api/tenant.ts";
import type { Observation } from "../observation.ts";
import { decideChecks } from "./index.ts";

const NOW = new Date("2026-11-28T12:00:00Z");
const metadata = (name: string) => ({ name, uid: name, creationTimestamp: "2026-11-28T11:00:00Z" });
const observed = (more: Partial<Observation> = {}): Observation => ({
  now: NOW,
  tenant: tenant.parse({ metadata: metadata("acme"), spec: { anthropic: { apiKeySecretRef: { name: "anthropic" } } } }),
  agents: [],
  texts: [],
  pods: [],
  database: { unseen: "down" },
  audit: { unseen: "down" },
  probe: { unseen: "down" },
  policies: [],
  documents: {},
  lastRetention: undefined,
  retentionIntervalMs: 86_400_000,
  lastScrape: undefined,
  ...more,
});
const rowOf = (name: string, more: Partial<Observation>) => decideChecks(observed(more)).find((it) => it.name === name);
const anAgent = (name: string, pii: string) =>
  agent.parse({ metadata: metadata(name), spec: { model: "m", dataProtection: { pii } } });

test("there is a row for every name, in the order of the vocabulary", () => {
  expect(decideChecks(observed()).map((it) => it.name)).toEqual([...SECURITY_CHECKS]);
});

test("what cannot be seen fails nothing", () => {
  const statuses = decideChecks(observed({ policies: { unseen: "down" }, pods: { unseen: "down" } }));
  expect(statuses.filter((it) => it.status === "Failed")).toEqual([]);
});

test("metrics that were collected and are no more fail; those that never were do not", () => {
  const ago = (minutes: number) => ({ lastScrape: NOW.getTime() - minutes * 60_000 });
  expect(rowOf("AnomaliesWatched", ago(14))?.status).toBe("Passed");
  expect(rowOf("AnomaliesWatched", ago(16))?.status).toBe("Failed");
  expect(rowOf("AnomaliesWatched", {})?.status).toBe("Unknown");
});

test("a PII policy passes only when every Agent has one", () => {
  expect(rowOf("PiiPolicy", { agents: [anAgent("a", "Redact"), anAgent("b", "Block")] })?.status).toBe("Passed");
  expect(rowOf("PiiPolicy", { agents: [anAgent("a", "Redact"), anAgent("b", "Off")] })).toMatchObject({
    status: "Unknown",
    message: expect.stringContaining("Agents b have"),
  });
});

test.each([
  [
    "a policy of theirs on other pods",
    { podSelector: { matchLabels: { "app.kubernetes.io/name": "web" } }, egress: [{}] },
    "Passed",
  ],
  ["one that only closes", { podSelector: {}, policyTypes: ["Egress"] }, "Passed"],
  ["one that opens all pods", { podSelector: {}, ingress: [{}] }, "Failed"],
  [
    "one that opens agents by a label of theirs",
    { podSelector: { matchLabels: { "agentpg.dev/agent": "a" } }, egress: [{}] },
    "Failed",
  ],
])("NetworkPolicies of others: %s", (_, spec, status) => {
  const deny = {
    metadata: { name: "deny", labels: { "app.kubernetes.io/managed-by": "agentpg-operator" } },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  };
  expect(rowOf("NetworkPolicyPresent", { policies: [deny, { metadata: { name: "theirs" }, spec }] })?.status).toBe(
    status,
  );
});

const restricted = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
test.each([
  ["as restricted asks", {}, {}, "Passed"],
  ["as root", {}, { runAsUser: 0 }, "Failed"],
  ["with a capability more", {}, { capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] } }, "Failed"],
  ["without seccomp", {}, { seccompProfile: { type: "Unconfined" } }, "Failed"],
  ["on the node's network", { hostNetwork: true }, {}, "Failed"],
  ["with the node's files", { volumes: [{ name: "etc", hostPath: { path: "/etc" } }] }, {}, "Failed"],
  ["with a container for debugging", { ephemeralContainers: [{ name: "debug" }] }, {}, "Failed"],
])("a pod %s", (_, spec, context, status) => {
  const containers = [{ name: "c", securityContext: { ...restricted, ...context } }];
  expect(rowOf("PodsRestricted", { pods: [{ metadata: { name: "p" }, spec: { containers, ...spec } }] })?.status).toBe(
    status,
  );
});

const brokered = tenant.parse({
  metadata: metadata("acme"),
  spec: { anthropic: { access: "Broker", apiKeySecretRef: { name: "anthropic" } } },
});
const token = (audience?: string) => ({
  name: "token",
  projected: { sources: [{ serviceAccountToken: { audience, path: "token" } }] },
});
const key = { name: "key", secret: { secretName: "anthropic" } };
const keyInEnvironment = [{ name: "KEY", valueFrom: { secretKeyRef: { name: "anthropic", key: "api-key" } } }];
test.each([
  ["an agent's with its token for the broker", "agentpg-agent", { volumes: [token("agentpg-broker")] }, "Passed"],
  ["an agent's with a token for the API server", "agentpg-agent", { volumes: [token()] }, "Failed"],
  [
    "an agent's with the token that Kubernetes mounts",
    "agentpg-agent",
    { automountServiceAccountToken: true },
    "Failed",
  ],
  ["an agent's with the API key", "agentpg-agent", { volumes: [key] }, "Failed"],
  ["somebody's with the API key", "web", { volumes: [key] }, "Failed"],
  ["somebody's with the API key in its environment", "web", {}, "Failed", keyInEnvironment],
  ["the broker's with the API key", "agentpg-broker", { volumes: [key] }, "Passed"],
  ["the broker's with a token", "agentpg-broker", { volumes: [key, token("agentpg-broker")] }, "Failed"],
])("in a tenant with a key broker, a pod of this kind: %s", (_, name, spec, status, env: object[] = []) => {
  const containers = [
    { name: "c", env: env as { name: string }[], securityContext: { ...restricted, readOnlyRootFilesystem: true } },
  ];
  const pod = {
    metadata: { name: "p", labels: { "app.kubernetes.io/name": name } },
    spec: { automountServiceAccountToken: false, containers, ...spec },
  };
  expect(rowOf("PodsRestricted", { tenant: brokered, pods: [pod] })?.status).toBe(status);
});

test.each([
  ["Enforced", "Passed"],
  ["NotEnforced", "Failed"],
  ["NotProbed", "Unknown"],
  ["ForeignObject", "Unknown"],
])("policies that the network probe found %s: %s", (reason, status) => {
  const base = observed().tenant;
  const condition = { type: "NetworkReady", status: "True" as const, reason, message: "what the packets did" };
  const seen = { ...condition, lastTransitionTime: "2026-11-28T11:00:00Z" };
  const looked = rowOf("NetworkPolicyEnforced", {
    tenant: { ...base, status: { ...base.status, conditions: [seen] } },
  });
  expect(looked).toMatchObject({ status, message: "what the packets did" });
});
