/** All matches of a global pattern; without the copy of the pattern that `matchAll` makes each time. */
export function matchesOf(text: string, pattern: RegExp): RegExpExecArray[] {
  const matches: RegExpExecArray[] = [];
  pattern.lastIndex = 0;
  for (let it = pattern.exec(text); it; it = pattern.exec(text)) {
    matches.push(it);
    if (it[0] === "") pattern.lastIndex++;
  }
  return matches;
}
