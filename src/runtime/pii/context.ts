/** How far before a number something is looked for that tells what it is. */
const NEAR = 48;

/** Whether one of these words stands shortly before an offset, with no other number in between. */
export function isAnnounced(text: string, start: number, words: RegExp): boolean {
  const before = text.slice(Math.max(0, start - NEAR), start);
  const number = before.search(/\d[^\d]*$/);
  return words.test(number < 0 ? before : before.slice(number + 1));
}

/** Whether the text right before an offset ends so. */
export const follows = (text: string, start: number, end: RegExp): boolean =>
  end.test(text.slice(Math.max(0, start - 24), start));
