import { weighted } from "../check-digits.ts";
import { always, type NationalId } from "./national-id.ts";

/** PESEL: date of birth (the month tells the century) and a check digit. */
export const plPesel: NationalId = {
  pattern: /\b\d{11}\b/g,
  isValid(it) {
    const month = Number(it.slice(2, 4)) % 20;
    const day = Number(it.slice(4, 6));
    const check = (10 - (weighted(it, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10)) % 10;
    return month >= 1 && month <= 12 && day >= 1 && day <= 31 && check === Number(it[10]);
  },
  words: /\bpesel\b/i,
  needsWords: always,
};
