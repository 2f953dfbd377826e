import { isOneDigit } from "../check-digits.ts";
import { type NationalId, withoutSeparators } from "./national-id.ts";

function checkOf(digits: string): number {
  const sum = Array.from(digits).reduce((all, it, i) => all + Number(it) * (digits.length + 1 - i), 0);
  return ((sum * 10) % 11) % 10;
}

/** Cadastro de Pessoas Físicas: two check digits by 11. */
export const brCpf: NationalId = {
  pattern: /\b\d{3}\.?\d{3}\.?\d{3}[-/]?\d{2}\b/g,
  isValid: (it) =>
    !isOneDigit(it) && checkOf(it.slice(0, 9)) === Number(it[9]) && checkOf(it.slice(0, 10)) === Number(it[10]),
  words: /\bcpf\b/i,
  needsWords: withoutSeparators,
};
