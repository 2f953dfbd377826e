import { matchesOf } from "./matches.ts";

/** Digits in a row, and what stands between them and the group before. */
export interface DigitGroup {
  digits: string;
  start: number;
  end: number;
  /** Empty for the first group of a run. */
  gap: string;
}

/** Groups of digits with at most three of space, dash, dot, slash and bracket in between. */
export interface DigitRun {
  groups: DigitGroup[];
  /** How many digits it has. */
  count: number;
  start: number;
  end: number;
  /** The character before and behind the run is no letter or digit of ASCII, nor an underscore: the run is no part of a name. */
  standsAlone: boolean;
}

const GROUP = /\d{1,64}/g;
const GAP = /^[ \t\-./()]{1,3}$/;
const NAME = /[A-Za-z0-9_]/;

/** All runs of a text. */
export function digitRuns(text: string): DigitRun[] {
  const runs: DigitGroup[][] = [];
  for (const { 0: digits, index: start } of matchesOf(text, GROUP)) {
    const last = runs.at(-1);
    const before = last?.at(-1);
    const gap = before && start - before.end <= 3 ? text.slice(before.end, start) : "";
    const group = { digits, start, end: start + digits.length, gap: "" };
    if (last && GAP.test(gap)) last.push({ ...group, gap });
    else runs.push([group]);
  }
  return runs.map((groups) => {
    const start = groups[0]?.start ?? 0;
    const end = groups.at(-1)?.end ?? 0;
    const count = groups.reduce((sum, it) => sum + it.digits.length, 0);
    return { groups, count, start, end, standsAlone: isAlone(text, start, end) };
  });
}

/** Whether a stretch of the text is no part of a longer word. */
export const isAlone = (text: string, start: number, end: number): boolean =>
  !NAME.test(text[start - 1] ?? " ") && !NAME.test(text[end] ?? " ");
