import { isDay } from "../check-digits.ts";
import { always, type NationalId } from "./national-id.ts";

/** CPR-nummer: a date of birth and four digits; without a check digit since 2007, so it has to be announced. */
export const dkCpr: NationalId = {
  pattern: /\b\d{6}[- ]?\d{4}\b/g,
  isValid: (it) => isDay(it.slice(2, 4), it.slice(0, 2)),
  words: /\bcpr\b|personnummer/i,
  needsWords: always,
};
