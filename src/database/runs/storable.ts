const NUL = "\u0000";

/** The text without what Postgres keeps neither in text nor in jsonb: the character NUL, and halves of a surrogate pair. */
export const storableText = (text: string): string =>
  text.includes(NUL) || !text.isWellFormed() ? text.replaceAll(NUL, "\uFFFD").toWellFormed() : text;

/** What in JSON text may stand for something that Postgres does not keep: `\u0000` and halves of a surrogate pair come escaped. */
const SUSPECT = /\\u(?:0000|d[89a-f])/;

/** JSON for a jsonb parameter. Of two keys that become the same, the later one counts. */
export function storableJson(value: unknown): string {
  const json = JSON.stringify(value);
  return SUSPECT.test(json) ? cleanJson(value) : json;
}

const cleanJson = (value: unknown): string =>
  JSON.stringify(value, (_key, it: unknown) => (typeof it === "string" ? storableText(it) : withStorableKeys(it)));

function withStorableKeys(it: unknown): unknown {
  if (typeof it !== "object" || it === null || Array.isArray(it)) return it;
  if (Object.keys(it).every((key) => storableText(key) === key)) return it;
  return Object.fromEntries(Object.entries(it).map(([key, value]) => [storableText(key), value]));
}
