// A page of the documentation as one script for the shell, and what each of its blocks said.
import type { Tested } from "../docs/entries.ts";
import { filled, substituted, type World } from "../docs/placeholders.ts";
import { commandsOf } from "../docs/shell.ts";

const marker = (line: number) => `── line ${line} ──`;

/** It goes on by itself; what comes next waits until it has said so much, a minute at most. */
const inItsOwnTerminal = (typed: string, until: string): string =>
  [
    `{\n${typed}\n} > meanwhile.txt 2>&1 &`,
    `for _ in {1..300}; do grep -qF '${until}' meanwhile.txt && break; sleep 0.2; done`,
    `cat meanwhile.txt`,
    `grep -qF '${until}' meanwhile.txt`,
  ].join("\n");

function typedAt({ language, text, with: words, given, meanwhile, after, line }: Tested, world: World): string {
  const typed = filled(substituted(commandsOf(language, text), words), world);
  const whole = meanwhile === undefined ? typed : inItsOwnTerminal(typed, meanwhile);
  return [`echo '${marker(line)}'`, given, whole, after].filter((it) => it !== undefined).join("\n");
}

/** A healthy cluster has little of what a runbook looks for: to find nothing is an answer. */
const LOOKING = 'grep() { command grep "$@" || [ $? = 1 ]; }';

/** All blocks of a page, one after the other; the first command that fails ends it. */
export function scriptOf(page: string, blocks: readonly Tested[], world: World): string {
  const start = page.includes("/runbooks/") ? [LOOKING] : [];
  return ["set -eo pipefail", ...start, ...blocks.map((it) => typedAt(it, world))].join("\n");
}

/** Names of columns, where the page shows a table. */
const columnsOf = ({ language, text }: Tested): string[] =>
  language === "console" ? text.split("\n").filter((it) => /^[A-Z]+( +[A-Z]+)+$/.test(it.trim())) : [];

const oneBlank = (text: string) => text.replaceAll(/ +/g, " ");

/** Words that the page or its entry promises, and that the blocks did not print; and those that they should not have. */
export function saidWrongly(blocks: readonly Tested[], out: string): string[] {
  return blocks.flatMap((block, i) => {
    const next = blocks[i + 1];
    const [, behind = ""] = out.split(`${marker(block.line)}\n`);
    const [said = ""] = next ? behind.split(marker(next.line)) : [behind];
    const isSaid = (words: string) => oneBlank(said).includes(oneBlank(words).trim());
    const promised = [...block.says, ...columnsOf(block)].filter((words) => !isSaid(words));
    return [
      ...promised.map((words) => `line ${block.line} did not say: ${words}`),
      ...block.never.filter(isSaid).map((words) => `line ${block.line} said: ${words}`),
    ];
  });
}
