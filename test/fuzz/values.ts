import type { Random } from "../support/random.ts";

/** Texts that parsers have stumbled over. */
const ODD_TEXTS = [
  "",
  " ",
  "\u0000",
  "\ud800",
  "\udfff",
  "\ufeff",
  "\u202e",
  "𝕏",
  "é",
  "e\u0301",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "null",
  "NaN",
  "-0",
  "1e999",
  "9007199254740993",
  "true",
  "[]",
  "{}",
  "a".repeat(300),
  "../..",
  "'; --",
  "${x}",
  "%00",
  "\r\n",
  "\u2028",
];
const ODD_NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.1,
  1e308,
  -1e308,
  5e-324,
  2 ** 31,
  2 ** 53,
  2 ** 53 + 1,
  -(2 ** 63),
  1e21,
  255,
  65536,
];

export function randomText(random: Random): string {
  if (random.next() < 0.5) return random.pick(ODD_TEXTS);
  const length = random.next() < 0.02 ? random.whole(1000, 5000) : random.whole(0, 24);
  return Array.from({ length }, () =>
    String.fromCharCode(random.next() < 0.8 ? random.whole(32, 126) : random.whole(0, 0xffff)),
  ).join("");
}

/** A JSON value of any shape; `names` are those that the schema at hand knows, so that it is not refused at the first look. */
export function randomJson(random: Random, names: readonly string[], depth = 0): unknown {
  const kind = random.next();
  if (depth > 4 || kind < 0.3) return randomText(random);
  if (kind < 0.45) return random.pick(ODD_NUMBERS);
  if (kind < 0.55) return random.pick([true, false, null]);
  const children = (most: number) => random.whole(0, most);
  if (kind < 0.7)
    return Array.from({ length: children(random.next() < 0.02 ? 200 : 4) }, () => randomJson(random, names, depth + 1));
  // JSON.parse makes `__proto__` a property like any other; an object literal would not.
  const entries = Array.from({ length: children(5) }, () => {
    const name = random.next() < 0.7 && names.length > 0 ? random.pick(names) : randomText(random);
    return `${JSON.stringify(name)}:${JSON.stringify(randomJson(random, names, depth + 1)) ?? "null"}`;
  });
  return JSON.parse(`{${entries.join(",")}}`);
}

/** A text with some of its characters changed, doubled, dropped or swapped with another text's. */
export function mutated(random: Random, text: string, others: readonly string[]): string {
  let it = text;
  for (let times = random.whole(1, 4); times > 0; times--) {
    const at = random.whole(0, it.length);
    const kind = random.whole(0, 5);
    if (kind === 0) it = it.slice(0, at) + it.slice(at + random.whole(1, 8));
    else if (kind === 1) it = it.slice(0, at) + String.fromCharCode(random.whole(0, 255)) + it.slice(at + 1);
    else if (kind === 2) it = it.slice(0, at) + it.slice(Math.max(0, at - random.whole(1, 40)), at) + it.slice(at);
    else if (kind === 3) it = it.slice(0, at) + random.pick(others).slice(at);
    else if (kind === 4) it = it.slice(0, at) + randomText(random) + it.slice(at);
    else it = it.slice(0, at);
  }
  return it;
}
