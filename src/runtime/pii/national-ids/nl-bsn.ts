import { isOneDigit, weighted } from "../check-digits.ts";
import { always, type NationalId } from "./national-id.ts";

/** Burgerservicenummer: the "elfproef". One number in eleven fits it, so it has to be announced. */
export const nlBsn: NationalId = {
  pattern: /\b\d{4}[ .-]?\d{2}[ .-]?\d{3}\b|\b\d{3}[ .-]\d{3}[ .-]\d{3}\b/g,
  isValid: (it) => !isOneDigit(it) && weighted(it, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0,
  words: /\bbsn\b|burgerservice|sofi-?nummer/i,
  needsWords: always,
};
