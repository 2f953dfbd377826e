/** Longer texts are not looked into: it takes some twenty times as long as to parse them. */
const LONGEST = 65_536;

/** Whether the text may go on to be JSON. */
function isBeginning(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as Error;
    if (/^(Unexpected end|Unterminated string)/.test(message)) return true;
    const [, position] = / at position (\d+)(?: \(line \d+ column \d+\))?$/.exec(message) ?? [];
    return Number(position) === text.length;
  }
}

/** Where a text stops being JSON, counted from 0: the engine does not always say, and what it says repeats the text. */
export function jsonErrorPosition(text: string): number | undefined {
  if (text.length > LONGEST) return undefined;
  let [good, bad] = [0, text.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isBeginning(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}
