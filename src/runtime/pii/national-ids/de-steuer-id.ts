import { type NationalId, withoutSeparators } from "./national-id.ts";

/** ISO/IEC 7064, MOD 11,10. */
function fitsMod1110(digits: string): boolean {
  let product = 10;
  for (const digit of digits.slice(0, -1)) {
    const sum = (Number(digit) + product) % 10 || 10;
    product = (sum * 2) % 11;
  }
  return (11 - product) % 10 === Number(digits.at(-1));
}

/** Of the first ten digits one is there two or three times, and no other more than once. */
function repeatsOne(digits: string): boolean {
  const counts = Array.from(digits).reduce((all, it) => all.set(it, (all.get(it) ?? 0) + 1), new Map<string, number>());
  const repeated = [...counts.values()].filter((it) => it > 1);
  return repeated.length === 1 && (repeated[0] ?? 9) <= 3;
}

/** Steuerliche Identifikationsnummer (section 139b of the Abgabenordnung). */
export const deSteuerId: NationalId = {
  pattern: /\b[1-9]\d(?: \d{3} \d{3} \d{3}|\d{9})\b/g,
  isValid: (it) => repeatsOne(it.slice(0, 10)) && fitsMod1110(it),
  words: /steuer|\bid-?nr\b|identifikationsnummer|\btin\b|tax/i,
  needsWords: withoutSeparators,
};
