const startsWithDigit = (key: string): boolean => {
  const code = key.charCodeAt(0);
  return code >= 48 && code <= 57;
};

/** JavaScript puts keys that are numbers first, and hashes of objects that are out there were taken over its order. */
const numbersFirst = (keys: string[]): string[] =>
  keys.some(startsWithDigit) ? Object.keys(Object.fromEntries(keys.map((key) => [key, 0]))) : keys;

/** Data as JSON that is the same whatever the order of keys; what is undefined is left out. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  let text = "";
  for (const key of numbersFirst(Object.keys(value).sort())) {
    const item = (value as Record<string, unknown>)[key];
    if (item !== undefined) text += `${text && ","}${JSON.stringify(key)}:${canonicalJson(item)}`;
  }
  return `{${text}}`;
}
