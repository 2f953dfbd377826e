import { expect, test } from "vitest";
import { filled } from "./placeholders.ts";

const world = { tenant: "acme", otherTenant: "globex", agent: "support", schema: "t_1" };

test("a name is the tenant's or the agent's, by the word before it", () => {
  expect(
    filled(
      "kubectl get tenant NAME -n NAMESPACE; kubectl describe agent NAME; logs deploy/agent-NAME -l agentpg.dev/agent=NAME",
      world,
    ),
  ).toBe(
    "kubectl get tenant acme -n acme; kubectl describe agent support; logs deploy/agent-support -l agentpg.dev/agent=support",
  );
});

test("variables of the shell stay", () => {
  expect(filled("$NAME ${NAMESPACE} $TENANT", world)).toBe("$NAME ${NAMESPACE} $TENANT");
});
