/** The text without what Postgres keeps neither in text nor in jsonb: the character NUL, and halves of a surrogate pair. */
export const storableText = (text: string): string =>
  /[\u0000\uD800-\uDFFF]/.test(text) ? text.replaceAll("\u0000", "\uFFFD").toWellFormed() : text;

/** JSON for a jsonb parameter. */
export const storableJson = (value: unknown): string =>
  JSON.stringify(value, (_key, it: unknown) => (typeof it === "string" ? storableText(it) : it));
