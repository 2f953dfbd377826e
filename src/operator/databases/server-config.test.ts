import { expect, test } from "vitest";
import { operatorConfig } from "../config.ts";
import { serversOf } from "./server-config.ts";

const reach = (host: string) => ({ host, credentialsDir: "/etc/x" });
const parse = (...databases: object[]) =>
  operatorConfig.safeParse({ namespace: "a", image: "b", database: reach("first"), databases });
const problems = (...databases: object[]) =>
  parse(...databases).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);

test("the single database is the server named default, and the others come after it in their order", () => {
  const { data } = parse({ server: "second", ...reach("2") }, { server: "third", ...reach("3"), weight: 4 });
  expect([...serversOf(data as NonNullable<typeof data>)].map(([name, it]) => [name, it.host, it.weight])).toEqual([
    ["default", "first", 1],
    ["second", "2", 1],
    ["third", "3", 4],
  ]);
});

test("two entries of one name or one database, and the reserved name, are refused by field", () => {
  expect(problems({ server: "x", ...reach("2") }, { server: "x", ...reach("3") })).toEqual([
    "databases.1.server: another entry is named x: names of servers are unique",
  ]);
  expect(problems({ server: "default", ...reach("2") })).toEqual([
    "databases.0.server: default is the server in database: give this one another name",
  ]);
  expect(problems({ server: "x", ...reach("FIRST") })).toEqual([
    "databases.0.host: first:5432/agentpg is another entry's database too: give each server one entry",
  ]);
});
