/** How many letters have to be changed, added or taken away (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const changed = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The names that are most like one, the most alike first. */
export function nearest(name: string, among: readonly string[], count = 3): string[] {
  const lower = name.toLowerCase();
  return among
    .map((it) => ({ it, far: distance(lower, it.toLowerCase()) - (it.toLowerCase().includes(lower) ? 100 : 0) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, count)
    .map(({ it }) => it);
}
