import { fitsLuhn, isOneDigit } from "../check-digits.ts";
import { always, type NationalId } from "./national-id.ts";

/** Social insurance number. */
export const caSin: NationalId = {
  pattern: /\b[1-79]\d{2}[ -]?\d{3}[ -]?\d{3}\b/g,
  isValid: (it) => !isOneDigit(it) && fitsLuhn(it),
  words: /\bsin\b|social insurance|assurance sociale|\bnas\b/i,
  needsWords: always,
};
