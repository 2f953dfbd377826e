import { type Command, type CommandArgument, placeholderOf } from "../../../api/command.ts";
import { linearPattern } from "../../../api/linear-pattern.ts";
import { ToolError } from "../tool.ts";

/** With the C1 controls, which terminals obey as well. */
const isControl = (character: string): boolean =>
  character < " " || character === "\x7f" || (character >= "\x80" && character < "\xa0");

/** Whether a value, read as a path by some program, would lead out of the directory it runs in. */
export const leadsOutside = (value: string): boolean =>
  value.startsWith("/") || value.startsWith("~") || value.split("/").includes("..");

function valueProblem(value: string, argument: CommandArgument): string | undefined {
  const { maxLength, pattern, enum: allowed, leadingDash, outsideWorkspace } = argument;
  if (value.length > maxLength) return `it is longer than ${maxLength} characters`;
  if (!value.isWellFormed()) return "it is not well-formed Unicode";
  if (value.split("").some(isControl)) return "it holds a control character, such as a line's end";
  if (allowed && !allowed.includes(value)) return `use one of ${allowed.join(", ")}`;
  if (pattern !== undefined && !linearPattern(pattern).test(value)) return `it does not fit the pattern ${pattern}`;
  if (value.startsWith("-") && !leadingDash) return "it begins with -, which would make it an option";
  if (leadsOutside(value) && !outsideWorkspace) return "it would lead out of the workspace";
  return undefined;
}

function valueOf(name: string, argument: CommandArgument, given: Record<string, unknown>): string {
  const value = Object.hasOwn(given, name) ? given[name] : argument.default;
  if (value === undefined) throw new ToolError(`arguments.${name} is missing`);
  if (typeof value !== "string") throw new ToolError(`arguments.${name}: it is not a string`);
  const problem = valueProblem(value, argument);
  if (problem) throw new ToolError(`arguments.${name}: ${problem}`);
  return value;
}

/** The argument vector with its placeholders filled: each value is one argument, or one option's value, whatever it holds. @throws ToolError */
export function filledArguments({ argv, arguments: declared = {} }: Command, given: Record<string, unknown>) {
  const unknown = Object.keys(given).find((it) => !Object.hasOwn(declared, it));
  if (unknown !== undefined) throw new ToolError(`arguments.${unknown}: this action has no such argument`);
  const values = new Map(Object.entries(declared).map(([name, it]) => [name, valueOf(name, it, given)]));
  const filled = argv.map((element) => {
    const placeholder = placeholderOf(element);
    return placeholder ? `${placeholder.prefix}${values.get(placeholder.name)}` : element;
  });
  const inside = [...values].filter(([name]) => !declared[name]?.outsideWorkspace).map(([, value]) => value);
  return { argv: filled, /** What must lead through no link. */ inside };
}
