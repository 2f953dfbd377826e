import { expect, test } from "vitest";
import { agent as agentSchema } from "../../api/agent.ts";
import { startProblem } from "./start-problem.ts";
import { agentConditions, type AgentFacts } from "./status.ts";

const anAgent = (replicas: number) =>
  agentSchema.parse({
    metadata: { name: "a", namespace: "acme", uid: "u" },
    spec: { model: "claude-sonnet-5-5", replicas },
  });
const deployment = (status: object) => ({
  metadata: { name: "agent-a", generation: 1 },
  status: { observedGeneration: 1, ...status },
});
const facts = (more: Partial<AgentFacts>): AgentFacts => ({
  agent: anAgent(1),
  problem: undefined,
  credentials: undefined,
  deployment: deployment({ replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 }),
  podProblem: undefined,
  startProblem: undefined,
  ...more,
});
const summary = (more: Partial<AgentFacts>) =>
  Object.fromEntries(agentConditions(facts(more)).map(({ type, status, reason }) => [type, `${status} ${reason}`]));

test("pods that answer make an Agent ready", () => {
  expect(summary({})).toMatchObject({
    Ready: "True Ready",
    Available: "True PodsReady",
    Progressing: "False RolledOut",
  });
});

test("a configuration that the pods refuse to run is said in their words, while the old ones stay available", () => {
  const message = "module shop (shop.ts): it exports neither tools nor hooks";
  const pod = {
    metadata: { name: "agent-a-1" },
    status: {
      containerStatuses: [
        { state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: { exitCode: 2, message } } },
      ],
    },
  };
  const refused = { startProblem: startProblem([pod]) };
  expect(summary(refused)).toMatchObject({
    Ready: "False ConfigurationRefused",
    ConfigurationValid: "False ConfigurationRefused",
    Available: "True PodsReady",
  });
  expect(agentConditions(facts(refused)).find((it) => it.type === "Ready")?.message).toBe(message);
});

test("a pod that ended is said in its last words, or where to look if it had none", () => {
  const ended = (message?: string) => {
    const terminated = { exitCode: 1, reason: "Error", ...(message ? { message } : {}) };
    return startProblem([
      { metadata: { name: "agent-a-1" }, status: { containerStatuses: [{ state: { terminated } }] } },
    ]);
  };
  expect(ended("the schema is another")).toEqual({
    reason: "PodCrashes",
    message: "pod agent-a-1 ended (Error, exit code 1): the schema is another",
  });
  expect(ended()?.message).toMatch(/exit code 1\): see kubectl logs --previous agent-a-1/);
});

test("what is wrong with the spec stands in Ready, while the old pods stay available", () => {
  expect(summary({ problem: { reason: "DelegateMissing", message: "m" } })).toMatchObject({
    Ready: "False DelegateMissing",
    ConfigurationValid: "False DelegateMissing",
    Available: "True PodsReady",
  });
});

test("an unknown model is the configuration's fault, a refused key the credentials'", () => {
  expect(summary({ podProblem: { reason: "UnknownModel", message: "m" } })).toMatchObject({
    ConfigurationValid: "False UnknownModel",
    CredentialsReady: "True Published",
  });
  expect(summary({ podProblem: { reason: "KeyRefused", message: "m" } })).toMatchObject({
    ConfigurationValid: "True Valid",
    CredentialsReady: "False KeyRefused",
  });
});

test("scaled to zero is no failure", () => {
  expect(summary({ agent: anAgent(0), deployment: deployment({}) })).toMatchObject({
    Ready: "True ScaledToZero",
    Available: "True ScaledToZero",
  });
});

test("a new pod that does not start is named, and old pods keep the Agent available", () => {
  const rolling = deployment({ replicas: 2, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 });
  expect(summary({ deployment: rolling, startProblem: { reason: "ImageUnavailable", message: "m" } })).toMatchObject({
    Available: "True PodsReady",
    Progressing: "False ImageUnavailable",
  });
});

test("no pod yet is said to be so, not an error of the configuration", () => {
  expect(summary({ deployment: undefined })).toMatchObject({ Ready: "False NoPods", ConfigurationValid: "True Valid" });
});

test("pods that are refused are the reason for as long as they are, and nothing keeps serving that never was", () => {
  const refused = { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "exceeded quota: agents" };
  const late = { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" };
  const conditions = (list: object[]) => agentConditions(facts({ deployment: deployment({ conditions: list }) }));
  for (const list of [[refused], [late, refused]]) {
    const ready = conditions(list).find((it) => it.type === "Ready");
    expect(ready).toMatchObject({ reason: "PodsRefused", message: expect.stringContaining("exceeded quota: agents") });
  }
  const stuck = conditions([late]).find((it) => it.type === "Ready");
  expect(stuck).toMatchObject({ status: "False", reason: "RolloutStuck" });
  expect(stuck?.message).not.toContain("the old ones");
});
