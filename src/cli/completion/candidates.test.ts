import { Argument, Command, Option } from "commander";
import { expect, test } from "vitest";
import { candidates, type NameSource } from "./candidates.ts";

function program(): Command {
  const it = new Command("agentpg");
  it.command("status").addOption(new Option("-o, --output <format>").choices(["table", "json"]));
  it.command("chat").argument("<agent>").requiredOption("-n, --namespace <namespace>").option("--session <id>");
  it.command("rotate").argument("[tenants...]").option("--all");
  it.command("migrate").addArgument(new Argument("[action]").choices(["status", "pause"]));
  it.command("__complete", { hidden: true });
  return it;
}
const names: NameSource = (kind, given) =>
  Promise.resolve(kind === "agent" ? [`support-of-${given["namespace"]}`, "researcher"] : ["acme", "globex"]);
const complete = (line: string) => candidates(program(), line.split(" "), names);

test.each([
  ["", ["status", "chat", "rotate", "migrate"]],
  ["st", ["status"]],
  ["status --o", ["--output"]],
  ["status -o ", ["table", "json"]],
  ["status --output j", ["json"]],
  ["status ", ["--output"]],
  ["chat -n ", ["acme", "globex"]],
  ["chat -n acme ", ["support-of-acme", "researcher"]],
  ["chat --namespace acme sup", ["support-of-acme"]],
  ["rotate acme ", ["acme", "globex"]],
  ["migrate p", ["pause"]],
  ["chat --session ", []],
])("after `agentpg %s` comes %j", async (line, expected) => {
  expect(await complete(line)).toEqual(expected);
});

test("a cluster that does not answer offers nothing", async () => {
  expect(await candidates(program(), ["chat", ""], () => Promise.reject(new Error("down")))).toEqual([]);
});
