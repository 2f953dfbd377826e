/** What the documentation calls in capitals, as it is in the world that the commands are run in. */
export interface World {
  tenant: string;
  otherTenant: string;
  agent: string;
  /** The tenant's schema in Postgres. */
  schema: string;
}

/** The text with names in place of words such as NAME and NAMESPACE; which NAME is meant is seen from the word before it. */
export function filled(text: string, { tenant, otherTenant, agent, schema }: World): string {
  return text
    .replace(/(?<=\bagents?[ /=-])(NAME|AGENT)\b/g, agent)
    .replace(/(?<![$\w{])(NAMESPACE|NS|TENANT|NAME)\b(?!:)/g, tenant)
    .replace(/(?<![$\w{])AGENT\b/g, agent)
    .replace(/(?<![$\w{])OTHER\b/g, otherTenant)
    .replace(/(?<![$\w{])REGISTRY\b/g, "registry.example.com")
    .replaceAll("t_0123456789ab", schema)
    .replaceAll("…", "x");
}

const inPattern = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The text with each of `words` replaced, where it stands by itself. @throws Error for a word that is not there */
export function substituted(text: string, words: Readonly<Record<string, string>>): string {
  const left = new Set(Object.keys(words));
  if (left.size === 0) return text;
  const longestFirst = [...left].toSorted((a, b) => b.length - a.length);
  const any = new RegExp(`(?<![\\w$])(?:${longestFirst.map(inPattern).join("|")})(?!\\w)`, "g");
  const done = text.replace(any, (word) => {
    left.delete(word);
    return words[word] ?? word;
  });
  if (left.size > 0) throw new Error(`with: ${[...left].join(", ")}: the block has no such words:\n${text}`);
  return done;
}
