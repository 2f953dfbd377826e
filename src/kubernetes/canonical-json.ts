/** A copy with sorted keys. Keys that are numbers go first, as JavaScript has them. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const made: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) {
    const item = sorted((value as Record<string, unknown>)[key]);
    if (key === "__proto__") Object.defineProperty(made, key, { value: item, enumerable: true });
    else made[key] = item;
  }
  return made;
}

/** Data as JSON that is the same whatever the order of keys; what is undefined is left out. */
export const canonicalJson = (value: unknown): string => JSON.stringify(sorted(value)) ?? "null";
