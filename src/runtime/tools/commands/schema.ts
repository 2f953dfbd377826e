import type { Command, CommandArgument } from "../../../api/command.ts";

const constraint = ({ pattern, enum: allowed, default: standard, description }: CommandArgument): string =>
  [
    description,
    pattern === undefined ? `one of ${allowed?.join(", ")}` : `fits ^(?:${pattern})$`,
    ...(standard === undefined ? [] : [`default ${JSON.stringify(standard)}`]),
  ]
    .filter((it) => it !== undefined)
    .join("; ");

function argumentsSchema(commands: Record<string, Command>) {
  const said = new Map<string, string[]>();
  for (const [action, { arguments: declared = {} }] of Object.entries(commands)) {
    for (const [name, it] of Object.entries(declared))
      said.set(name, [...(said.get(name) ?? []), `${action}: ${constraint(it)}`]);
  }
  const properties = [...said].map(([name, uses]) => [name, { type: "string", description: uses.join("\n") }]);
  return { type: "object", properties: Object.fromEntries(properties), additionalProperties: false };
}

const signature = (action: string, { description, arguments: declared = {} }: Command): string =>
  `${action}(${Object.keys(declared).join(", ")})${description === undefined ? "" : `: ${description}`}`;

/** What the model is told of the tool. The Messages API takes no choice of schemas at the top: each action checks its own arguments. */
export function commandsSchema(commands: Record<string, Command>) {
  const takesArguments = Object.values(commands).some((it) => Object.keys(it.arguments ?? {}).length > 0);
  const uses = Object.entries(commands).map(([name, it]) => signature(name, it));
  return {
    type: "object",
    properties: {
      action: { type: "string", enum: Object.keys(commands), description: uses.join("\n") },
      ...(takesArguments ? { arguments: argumentsSchema(commands) } : {}),
    },
    required: ["action"],
    additionalProperties: false,
  };
}
