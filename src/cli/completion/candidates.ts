import type { Command, Option } from "commander";

/** Names that only the cluster knows. */
export type NameSource = (kind: "tenant" | "agent" | "namespace", given: Record<string, string>) => Promise<string[]>;

/** What an argument or option of this name stands for. */
const NAMED: Record<string, Parameters<NameSource>[0]> = {
  agent: "agent",
  tenants: "tenant",
  tenant: "tenant",
  namespace: "namespace",
  "operator-namespace": "namespace",
};

const visible = (command: Command) => command.commands.filter((it) => !it.name().startsWith("_"));

/**
 * What may come as the last of `words` (what stands behind the program's name; the last one is being typed and may be empty).
 * `--flag=value` is taken apart by the shells' scripts, so it does not occur.
 */
export async function candidates(program: Command, words: readonly string[], names: NameSource): Promise<string[]> {
  const typed = words.at(-1) ?? "";
  const { command, before, given } = position(program, words.slice(0, -1));
  return (await possible()).filter((it) => it.startsWith(typed));

  async function possible(): Promise<string[]> {
    if (before?.required) return valuesOf(before);
    const options = () => [...command.options, ...(command === program ? [] : program.options)].map(flagOf);
    if (typed.startsWith("-")) return options();
    const subcommands = visible(command).map((it) => it.name());
    if (subcommands.length > 0) return subcommands;
    const argument = command.registeredArguments[Math.min(given.count, command.registeredArguments.length - 1)];
    if (!argument || (given.count >= command.registeredArguments.length && !argument.variadic)) return options();
    if (argument.argChoices) return argument.argChoices;
    return named(argument.name());
  }
  function valuesOf(option: Option): Promise<string[]> | string[] {
    return option.argChoices ?? named(option.long?.slice(2) ?? "");
  }
  async function named(name: string): Promise<string[]> {
    const source = NAMED[name];
    return source ? names(source, given.options).catch(() => []) : [];
  }
}

const flagOf = (it: Option): string => it.long ?? it.short ?? "";

/** Where in the tree of commands the words lead, the option that waits for its value, and what was given so far. */
function position(program: Command, words: readonly string[]) {
  let command = program;
  let before: Option | undefined;
  const given = { count: 0, options: {} as Record<string, string> };
  for (const word of words) {
    if (before) {
      given.options[before.attributeName()] = word;
      before = undefined;
    } else if (word.startsWith("-")) {
      const option = command.options.find((it) => it.long === word || it.short === word);
      before = option?.required ? option : undefined;
    } else {
      const next = command.commands.find((it) => it.name() === word);
      if (next && given.count === 0) command = next;
      else given.count++;
    }
  }
  return { command, before, given };
}
