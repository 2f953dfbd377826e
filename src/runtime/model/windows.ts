/**
 * How many tokens of input a model takes, by model family; asked only where the API itself does not say (its models endpoint has
 * `max_input_tokens`). As of 2026-11-22 (https://platform.claude.com/docs/en/build-with-claude/context-windows).
 */
const WINDOWS: [family: RegExp, tokens: number][] = [[/\[1m\]|-1m\b/, 1_000_000]];
const DEFAULT_WINDOW = 200_000;

export const windowOf = (model: string): number =>
  WINDOWS.find(([family]) => family.test(model))?.[1] ?? DEFAULT_WINDOW;
