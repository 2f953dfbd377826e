import { z } from "zod";
import { linearPattern } from "./linear-pattern.ts";
import { rules } from "./resource.ts";

/** What may stand in one placeholder of an argument vector. */
const commandArgument = z
  .object({
    description: z.string().max(1024).optional().describe("For the model."),
    pattern: z
      .string()
      .min(1)
      .max(512)
      .optional()
      .describe("What the whole value has to fit; without look-around, back-references and repetitions beyond {0,16}."),
    enum: z.array(z.string().max(256)).min(1).max(64).optional().describe("The values that it may have."),
    maxLength: z.int().min(1).max(4096).default(256).describe("In characters (UTF-16 code units)."),
    default: z
      .string()
      .max(4096)
      .optional()
      .describe("Its value when the model leaves it out. Without one it is needed."),
    leadingDash: z.boolean().default(false).describe("true: it may begin with -, and so be an option of the program."),
    outsideWorkspace: z
      .boolean()
      .default(false)
      .describe("true: it may begin with / or ~, have .. as a part of a path, or lead through a symbolic link."),
  })
  .meta(
    rules({
      rule: "has(self.pattern) != has(self.enum)",
      message: "an argument has either a pattern or an enum: set one of them",
    }),
  );

const command = z.object({
  argv: z
    .array(z.string().min(1).max(4096))
    .min(1)
    .max(64)
    .describe(
      "The program and its arguments. {name} as a whole argument, or after --option=, is one of `arguments`. There is no shell.",
    ),
  description: z.string().max(1024).optional().describe("For the model."),
  arguments: z
    .record(z.string().max(64), commandArgument)
    .meta({ maxProperties: 16 })
    .optional()
    .describe("What the model gives, by the names of the placeholders."),
});

export const commandsTool = z
  .record(z.string().max(64), command)
  .meta({ maxProperties: 64 })
  .describe("An allow-list of actions, each a fixed argument vector; there is no shell.");

export type Command = z.infer<typeof command>;
export type CommandArgument = z.infer<typeof commandArgument>;

const PLACEHOLDER = /^(--?[A-Za-z0-9][-A-Za-z0-9_]*=)?\{([A-Za-z][A-Za-z0-9_]*)\}$/;
const ANY_PLACEHOLDER = /\{[A-Za-z][A-Za-z0-9_]*\}/;
const ARGUMENT_NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
/** Programs that take a program as an argument: what a model gives them would be code. */
const SHELLS = new Set(["sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "csh", "tcsh", "busybox"]);

/** What an element of an argument vector takes the place of: `{name}` or `--option={name}`. */
export function placeholderOf(element: string): { prefix: string; name: string } | undefined {
  const [, prefix = "", name] = PLACEHOLDER.exec(element) ?? [];
  return name === undefined ? undefined : { prefix, name };
}

function programProblem(program: string): string | undefined {
  if (ANY_PLACEHOLDER.test(program)) return "the program itself cannot be a placeholder: name it";
  if (program.includes("/") && !program.startsWith("/"))
    return `${program} is a path into the workspace, where a model may write: name a program, or give its absolute path`;
  if (SHELLS.has(program.split("/").at(-1) ?? ""))
    return `${program} is a shell, which would make code of what a model says: name the program that it would start`;
  return undefined;
}

function elementProblem(element: string, declared: string[]): string | undefined {
  if (element.includes("\0")) return "an argument holds a NUL";
  const placeholder = placeholderOf(element);
  if (!placeholder && ANY_PLACEHOLDER.test(element))
    return `in ${JSON.stringify(element)} a placeholder is a part of an argument: make it a whole one ("{name}"), or put it right after an option ("--option={name}")`;
  if (placeholder && !declared.includes(placeholder.name))
    return `{${placeholder.name}} is not declared: add arguments.${placeholder.name} with a pattern or an enum`;
  return undefined;
}

function patternProblem({ pattern }: CommandArgument): string | undefined {
  try {
    if (pattern !== undefined) linearPattern(pattern);
    return undefined;
  } catch (error) {
    return `${(error as Error).message}. Patterns have no look-around, no back-references and no repetition beyond {0,16}; maxLength bounds the length`;
  }
}

function argumentProblem(name: string, argument: CommandArgument, argv: string[]): string | undefined {
  if (!ARGUMENT_NAME.test(name)) return "a name is letters, digits and _, beginning with a letter";
  if ((argument.pattern === undefined) === (argument.enum === undefined)) return "set either pattern or enum";
  if (!argv.some((it) => placeholderOf(it)?.name === name))
    return `no element of argv is {${name}}: add one, or take it out`;
  return patternProblem(argument);
}

function commandProblem({ argv, arguments: declared = {} }: Command): string | undefined {
  const program = programProblem(argv[0] ?? "");
  const element = argv.map((it) => elementProblem(it, Object.keys(declared))).find((it) => it !== undefined);
  if (program ?? element) return `argv: ${program ?? element}`;
  for (const [name, argument] of Object.entries(declared)) {
    const problem = argumentProblem(name, argument, argv);
    if (problem) return `arguments.${name}: ${problem}`;
  }
  return undefined;
}

/** What is wrong with a list of commands, or undefined; what the CRD cannot see. */
export function commandsProblem(commands: Record<string, Command>): string | undefined {
  const names = Object.keys(commands);
  if (names.length === 0) return "commands: name at least one";
  const odd = names.find((it) => !/^[a-zA-Z0-9_-]+$/.test(it));
  if (odd !== undefined) return `commands: ${JSON.stringify(odd)}: a name is letters, digits, _ and -`;
  for (const [name, it] of Object.entries(commands)) {
    const problem = commandProblem(it);
    if (problem) return `commands.${name}.${problem}`;
  }
  return undefined;
}
