import { always, type NationalId } from "./national-id.ts";

/** Permanent Account Number of a person (P in the fourth place). */
export const inPan: NationalId = {
  pattern: /\b[A-Z]{3}P[A-Z]\d{4}[A-Z]\b/g,
  isValid: () => true,
  words: /\bpan\b|permanent account/i,
  needsWords: always,
};
