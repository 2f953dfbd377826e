// Commands as the shell understands them: what agentpg, npm and the agents' HTTP API would say to them. No cluster is needed.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { blocksOf, inlineCommands, pages, root } from "./blocks.ts";
import { testedBlocks } from "./entries.ts";
import { requestProblem } from "./http-request.ts";
import { mustBeRun } from "./must-be-run.ts";
import { agentpgWords, commandsOf, programFolder, type Ran, removeFolder, runBlock, workFolder } from "./shell.ts";

const folder = mkdtempSync(join(tmpdir(), "agentpg-docs-"));
const options = { folder, bin: programFolder(folder), work: workFolder(folder) };
afterAll(() => removeFolder(folder));

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
const blocks = testedBlocks(pages(), blocksOf).filter(({ how }) => how === "commands" || how === "demo");

/** What the real command line says to each of the commands; null: it would run it. */
function faultsOf(commands: readonly string[][]): (string | null)[] {
  const { stdout, stderr } = spawnSync(process.execPath, [join(root, "src/cli/main.ts"), "__faults"], {
    input: JSON.stringify(commands),
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return JSON.parse(stdout) as (string | null)[];
}

test("the shell reads every block, knows every program in it, and what is not run says why", async () => {
  const problems: string[] = [];
  const asked: { where: string; words: string[] }[] = [];
  let requests = 0;
  for (const { page, line, language, text, how, unrun } of blocks) {
    const where = `${page}, line ${line}`;
    const { err, calls }: Ran = await runBlock(commandsOf(language, text), options);
    // Other complaints are about the stand-ins, which say nothing.
    if (/command not found|syntax error|unexpected EOF/.test(err)) problems.push(`${where}: ${err}`);
    const onlyRead = how === "commands" ? calls.find(mustBeRun) : undefined;
    if (onlyRead && unrun === undefined)
      problems.push(`${where}: ${onlyRead.join(" ")}: nobody runs it. Write how: demo, or unrun: and a reason`);
    if (!onlyRead && unrun !== undefined) problems.push(`${where}: unrun: ${unrun}, but nothing in it asks for that`);
    for (const call of calls) {
      const words = agentpgWords(call);
      if (words) asked.push({ where, words });
      else if (call[0] === "npm" && call[1] === "run" && !(call[2] ?? "" in scripts))
        problems.push(`${where}: npm run ${call[2]}: there is no such script in package.json`);
      else if (call[0] === "curl") {
        requests++;
        const problem = requestProblem(call.slice(1));
        if (problem !== undefined) problems.push(`${where}: curl … ${problem}`);
      }
    }
  }
  const faults = faultsOf(asked.map(({ words }) => words));
  for (const [i, { where, words }] of asked.entries())
    if (faults[i] !== null) problems.push(`${where}: agentpg ${words.join(" ")}: ${faults[i]}`);
  expect(problems.join("\n")).toBe("");
  expect(asked.length).toBeGreaterThan(20);
  expect(requests).toBeGreaterThan(3);
}, 60_000);

test("commands within sentences and tables name commands and options that there are", () => {
  const inline = pages().flatMap((page) => inlineCommands(page, "agentpg").map((text) => ({ page, text })));
  const wordsOf = (text: string) =>
    text
      .replace(/\[.*?\]|…/g, "")
      .match(/\S+/g)
      ?.slice(1) ?? [];
  const faults = faultsOf(inline.map(({ text }) => wordsOf(text)));
  const wrong = inline.filter((_, i) => faults[i] !== null && !/missing required|not specified/.test(faults[i] ?? ""));
  expect(
    wrong.map(({ page, text }) => `${page}: ${text}: ${faults[inline.findIndex((it) => it.text === text)]}`),
  ).toEqual([]);
  expect(inline.length).toBeGreaterThan(20);
});

describe("the check itself", () => {
  test("knows what is nothing before a program or a kubelet has done it", () => {
    const said = ["agentpg status", "npm run demo", "curl -s x", "docker build .", "kubectl -n a logs deploy/x -f"];
    const more = ["kubectl wait tenant/a --for=x", "kubectl -n a rollout status deployment/b", "kubectl exec x -- y"];
    expect([...said, ...more].filter((it) => !mustBeRun(it.split(" ")))).toEqual([]);
    const dry = ["kubectl get pods", "kubectl -n logs apply -f x", "kubectl rollout restart x", "helm install a b"];
    expect(dry.filter((it) => mustBeRun(it.split(" ")))).toEqual([]);
  });

  test("sees an option and a command that there are not", () => {
    const faults = faultsOf([["status", "--bogus"], ["stats"], ["status", "-o", "json"]]);
    expect(faults).toEqual([
      expect.stringContaining("--bogus") as string,
      expect.stringContaining("stats") as string,
      null,
    ]);
  });

  test("sees a program that nobody stands in for, and what the shell cannot read", async () => {
    expect((await runBlock("terraform apply", options)).err).toContain("command not found");
    expect((await runBlock("echo 'x", options)).err).toContain("unexpected EOF");
  });

  test("takes words as the shell does", async () => {
    const { calls } = await runBlock(`X="a b"; agentpg chat "$X" -m 'it''s' | kubectl apply -f - <<E\nx\nE\n`, options);
    expect(calls.toSorted((a, b) => a.join().localeCompare(b.join()))).toEqual([
      ["agentpg", "chat", "a b", "-m", "its"],
      ["kubectl", "apply", "-f", "-"],
    ]);
  });

  test("sees a path, a method and a field that the HTTP API does not have", () => {
    const run = "http://localhost:8080/v1/sessions/x/runs";
    expect(requestProblem([run, "-d", '{"message": "x"}'])).toBeUndefined();
    expect(requestProblem([run, "-d", '{"mesage": "x"}'])).toContain("mesage");
    expect(requestProblem([run, "-X", "PUT"])).toContain("PUT");
    expect(requestProblem(["http://localhost:8080/v1/session"])).toContain("/v1/session");
    expect(requestProblem(["https://example.com/v1/session"])).toBeUndefined();
  });
});
