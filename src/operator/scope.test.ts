import { expect, test } from "vitest";
import { operatorConfig } from "./config.ts";
import { claimantOf, operatorOf } from "./scope.ts";

const config = (more: object) =>
  operatorConfig.safeParse({
    namespace: "agentpg-system",
    image: "x",
    database: { host: "db", credentialsDir: "/x" },
    ...more,
  });

test.each([
  "",
  "team=blue",
  "team == blue",
  "team!=blue,tier",
  "!agentpg.dev/beta",
  "team notin (blue, green),env in (prod)",
  "example.com/team in (a,b)",
])("%j is a selector", (tenantSelector) => {
  expect(config({ tenantSelector }).success).toBe(true);
});

test.each(["team=blue,", "team in blue", "team in (a", "=blue", "team=a b", "-team", "team in ()x"])(
  "%j is refused, by the name of the field",
  (tenantSelector) => {
    const { error } = config({ tenantSelector });
    expect(error?.issues[0]).toMatchObject({
      path: ["tenantSelector"],
      message: expect.stringContaining("kubectl -l"),
    });
  },
);

test("an operator without an instance name is known as operators were before there were several", () => {
  expect(claimantOf("cluster", { namespace: "system" })).toBe("cluster");
  expect(operatorOf({ namespace: "system" })).toBeUndefined();
});

test("operators of one instance name in two namespaces are two", () => {
  const [one, two] = ["a", "b"].map((namespace) => claimantOf("cluster", { namespace, instance: "blue" }));
  expect([one, two]).toEqual(["cluster/a/blue", "cluster/b/blue"]);
});
