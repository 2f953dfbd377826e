const NUL = "\u0000";

/** The text without what Postgres keeps neither in text nor in jsonb: the character NUL, and halves of a surrogate pair. */
export const storableText = (text: string): string =>
  text.includes(NUL) || !text.isWellFormed() ? text.replaceAll(NUL, "\uFFFD").toWellFormed() : text;

/** JSON for a jsonb parameter. */
export const storableJson = (value: unknown): string =>
  JSON.stringify(value, (_key, it: unknown) => (typeof it === "string" ? storableText(it) : it));
