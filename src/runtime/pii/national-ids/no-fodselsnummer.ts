import { isDay, weighted } from "../check-digits.ts";
import { type NationalId, withoutSeparators } from "./national-id.ts";

/** Fødselsnummer: date of birth and two check digits by 11. */
export const noFodselsnummer: NationalId = {
  pattern: /\b\d{6} ?\d{5}\b/g,
  isValid: (it) =>
    isDay(it.slice(2, 4), it.slice(0, 2)) &&
    weighted(it, [3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) % 11 === 0 &&
    weighted(it, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) % 11 === 0,
  words: /f[øo]dsel|personnummer|\bfnr\b/i,
  needsWords: withoutSeparators,
};
