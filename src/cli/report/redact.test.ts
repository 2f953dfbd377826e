import { expect, test } from "vitest";
import { redacted } from "./redact.ts";

const agent = {
  kind: "Agent",
  metadata: {
    name: "support",
    managedFields: [{ manager: "kubectl" }],
    annotations: {
      "kubectl.kubernetes.io/last-applied-configuration": '{"spec":{"systemPrompt":"PLANTED"}}',
      note: "kept",
    },
  },
  spec: {
    model: "claude",
    systemPrompt: "PLANTED",
    tools: [{ name: "orders", description: "PLANTED", sql: { statement: "select 'PLANTED'" } }],
    deep: { a: { b: { c: { d: { e: { f: { g: { h: { i: { password: "PLANTED", last: "kept" } } } } } } } } } },
  },
  status: { conditions: [{ message: "key sk-ant-PLANTEDPLANTED was refused" }] },
};

test("neither secrets nor tenants' words leave the cluster, and nothing else is lost", () => {
  const text = JSON.stringify(redacted(agent, false));
  expect(text).not.toContain("PLANTED");
  expect(text).not.toContain("managedFields");
  expect(redacted(agent, false)).toMatchObject({
    metadata: { name: "support", annotations: { note: "kept" } },
    spec: { model: "claude", systemPrompt: "[7 characters left out]", tools: [{ name: "orders" }] },
  });
  expect(text).toContain('"last":"kept"');
});

test("words come along when they are asked for, secrets in them do not", () => {
  expect(redacted(agent, true)).toMatchObject({ spec: { systemPrompt: "PLANTED" } });
  expect(
    JSON.stringify(redacted({ ...agent, spec: { systemPrompt: "use sk-ant-PLANTEDPLANTED" } }, true)),
  ).not.toContain("sk-ant-PLANTED");
});
