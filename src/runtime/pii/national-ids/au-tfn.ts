import { weighted } from "../check-digits.ts";
import { always, type NationalId } from "./national-id.ts";

/** Tax file number. */
export const auTfn: NationalId = {
  pattern: /\b\d{3}[ -]?\d{3}[ -]?\d{3}\b/g,
  isValid: (it) => weighted(it, [1, 4, 3, 7, 5, 8, 6, 9, 10]) % 11 === 0,
  words: /\btfn\b|tax file/i,
  needsWords: always,
};
