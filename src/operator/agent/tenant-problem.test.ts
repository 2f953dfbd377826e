import { expect, test } from "vitest";
import { agent as agentSchema } from "../../api/agent.ts";
import { tenant as tenantSchema } from "../../api/tenant.ts";
import { transcriptKeysProblem } from "./tenant-problem.ts";

const metadata = (name: string) => ({ name, uid: name, generation: 1, resourceVersion: "1" });
const anAgent = (encryptTranscripts: boolean) =>
  agentSchema.parse({ metadata: metadata("a"), spec: { model: "m", dataProtection: { encryptTranscripts } } });
const aTenant = (status?: "True" | "False" | "Unknown") => {
  const condition = { type: "EncryptionReady", status, reason: "Why", message: "because", lastTransitionTime: "" };
  return tenantSchema.parse({
    metadata: metadata("t"),
    spec: { anthropic: { apiKeySecretRef: { name: "k" } } },
    status: { conditions: status ? [{ ...condition, lastTransitionTime: "2026-01-01T00:00:00Z" }] : [] },
  });
};

test("an Agent that encrypts has no pod before the tenant's data key is published", () => {
  expect(transcriptKeysProblem(anAgent(true), aTenant())).toMatchObject({ reason: "EncryptionNotReady" });
  expect(transcriptKeysProblem(anAgent(true), aTenant("Unknown"))).toMatchObject({ reason: "EncryptionNotReady" });
  expect(transcriptKeysProblem(anAgent(true), aTenant("False"))).toEqual({ reason: "Why", message: "because" });
  expect(transcriptKeysProblem(anAgent(true), aTenant("True"))).toBeUndefined();
});

test("an Agent that does not encrypt waits for no key", () => {
  expect(transcriptKeysProblem(anAgent(false), aTenant())).toBeUndefined();
});
