import { isDay } from "../check-digits.ts";
import { type NationalId, never } from "./national-id.ts";

const LETTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY";

/** Henkilötunnus: date of birth, a sign for the century, and a check character by 31. */
export const fiHetu: NationalId = {
  pattern: /\b\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]\b/gi,
  isValid(it) {
    const digits = it.length === 10 ? it.slice(0, 9) : `${it.slice(0, 6)}${it.slice(7, 10)}`;
    return isDay(it.slice(2, 4), it.slice(0, 2)) && LETTERS[Number(digits.replace("+", "")) % 31] === it.at(-1);
  },
  words: /henkil/i,
  needsWords: never,
};
