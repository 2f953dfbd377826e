import { expect, test } from "vitest";
import { filled, substituted } from "./placeholders.ts";

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

test("a word of an entry is replaced where it stands by itself, and what came in its place stays", () => {
  const words = { RUN: "$(last-run acme)", acme: "lamps", "01980000-…": "$1" };
  expect(substituted("runs acme --run RUN $RUN acmes 01980000-…", words)).toBe(
    "runs lamps --run $(last-run acme) $RUN acmes $1",
  );
});

test("a word of an entry that the block does not have is an error", () => {
  expect(() => substituted("kubectl get pods", { RUN: "x" })).toThrow("RUN");
});
