import { isDay, weighted } from "../check-digits.ts";
import { always, type NationalId } from "./national-id.ts";

/** Sozialversicherungsnummer: a serial with its check digit, and a date of birth. */
export const atSvnr: NationalId = {
  pattern: /\b[1-9]\d{3}[ -]?\d{6}\b/g,
  isValid: (it) =>
    isDay(it.slice(6, 8), it.slice(4, 6)) && weighted(it, [3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 === Number(it[3]),
  words: /\bsvnr\b|sozialversicherung|\bsv-?nummer/i,
  needsWords: always,
};
