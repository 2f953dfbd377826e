import { describe, expect, it } from "vitest";
import { commandsProblem, commandsTool } from "./command.ts";
import { quantityBytes } from "./workspace.ts";

const problem = (command: object, name = "it") => commandsProblem(commandsTool.parse({ [name]: command }));
const path = { pattern: "[a-z]+" };

describe("a command", () => {
  it.each([
    ["no arguments", { argv: ["du", "-sh"] }],
    ["a whole placeholder", { argv: ["du", "{path}"], arguments: { path } }],
    ["an option's value", { argv: ["sort", "--key={path}", "-k={path}"], arguments: { path } }],
    ["braces that are no placeholder", { argv: ["awk", "{ print }", "{}", "${x", "{1}", "{a b}"] }],
    ["an absolute program", { argv: ["/usr/bin/du"] }],
  ])("may have %s", (_what, command) => expect(problem(command)).toBeUndefined());

  it.each([
    ["a placeholder that is not declared", { argv: ["du", "{path}"] }, "add arguments.path"],
    ["a placeholder within an argument", { argv: ["du", "data/{path}"], arguments: { path } }, "make it a whole one"],
    ["two placeholders in one argument", { argv: ["du", "{path}{path}"], arguments: { path } }, "make it a whole one"],
    [
      "a placeholder after what is no option",
      { argv: ["dd", "if={path}"], arguments: { path } },
      "make it a whole one",
    ],
    ["a placeholder as its program", { argv: ["{path}"], arguments: { path } }, "cannot be a placeholder"],
    ["a program in the workspace", { argv: ["./run"] }, "where a model may write"],
    ["a program in a directory of it", { argv: ["bin/run"] }, "where a model may write"],
    ["a shell", { argv: ["bash", "-c", "{path}"], arguments: { path } }, "is a shell"],
    ["a shell by its path", { argv: ["/bin/sh"] }, "is a shell"],
    ["a NUL", { argv: ["du", "a\0b"] }, "NUL"],
    ["an argument that is not used", { argv: ["du"], arguments: { path } }, "no element of argv is {path}"],
    ["an argument without a rule", { argv: ["du", "{path}"], arguments: { path: {} } }, "either pattern or enum"],
    ["a pattern that is none", { argv: ["du", "{path}"], arguments: { path: { pattern: "(" } } }, "arguments.path"],
    [
      "a pattern that ends its group",
      { argv: ["du", "{path}"], arguments: { path: { pattern: "a)|(?:b" } } },
      "arguments.path",
    ],
    [
      "a pattern that looks ahead",
      { argv: ["du", "{path}"], arguments: { path: { pattern: "(?=a)a" } } },
      "no look-around",
    ],
    [
      "a pattern that refers back",
      { argv: ["du", "{path}"], arguments: { path: { pattern: "(a)\\1" } } },
      "no back-references",
    ],
    [
      "a pattern that repeats too often",
      { argv: ["du", "{path}"], arguments: { path: { pattern: "a{1,200}" } } },
      "maxLength",
    ],
  ])("is refused for %s", (_what, command, says) => expect(problem(command)).toContain(says));

  it("has a plain name", () => {
    expect(problem({ argv: ["du"] }, "disk usage")).toContain('"disk usage"');
    expect(commandsProblem({})).toContain("at least one");
  });
});

it.each([
  ["1Gi", 2 ** 30],
  ["512Mi", 2 ** 29],
  ["10k", 10_000],
  ["1.5M", 1_500_000],
  [1024, 1024],
] as const)("the quantity %s is %d bytes", (quantity, bytes) => expect(quantityBytes(quantity)).toBe(bytes));
