import type { InputCheck } from "../tools/validation.ts";
import type { ToolOutcome } from "../tools/tool.ts";
import type { Annotations, HookPlace, Hooks, ResultToCheck } from "./hook.ts";

type Checked<Made> = Made & { annotations: Annotations | undefined };

const refused = (output: string): { refused: ToolOutcome } => ({ refused: { output, isError: true } });

/** The input that the tool is to be called with, or what the model reads instead. Only where `hooks.beforeToolCall` is there. */
export async function checkedInput(
  beforeToolCall: NonNullable<Hooks["beforeToolCall"]>,
  tool: { name: string; check: InputCheck },
  input: Record<string, unknown>,
  place: HookPlace,
): Promise<Checked<{ input: Record<string, unknown> } | { refused: ToolOutcome }>> {
  const ruling = await beforeToolCall({ tool: tool.name, input }, place);
  const { annotations } = ruling;
  if (ruling.blocked) return { ...refused(`blocked by hook ${ruling.hook}: ${ruling.reason}`), annotations };
  const wrong = ruling.changed ? tool.check(ruling.value.input) : undefined;
  if (wrong)
    return { ...refused(`the input, as a hook changed it, does not fit the tool's schema: ${wrong}`), annotations };
  return { input: ruling.value.input, annotations };
}

/** What the model reads of a call that was made. Only where `hooks.afterToolCall` is there. */
export async function checkedOutcome(
  afterToolCall: NonNullable<Hooks["afterToolCall"]>,
  result: ResultToCheck,
  place: HookPlace,
): Promise<Checked<{ outcome: ToolOutcome }>> {
  const ruling = await afterToolCall(result, place);
  const { annotations } = ruling;
  if (!ruling.blocked) return { outcome: ruling.value.outcome, annotations };
  const output = `the call was made, but its output was withheld by hook ${ruling.hook}: ${ruling.reason}`;
  return { outcome: { output, isError: true }, annotations };
}
