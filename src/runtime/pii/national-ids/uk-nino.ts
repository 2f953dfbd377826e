import { type NationalId, never } from "./national-id.ts";

/** National Insurance number: letters that are not used, and prefixes that are not given out (HMRC NIM39110). */
export const ukNino: NationalId = {
  pattern: /\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2}[ -]?\d{2}[ -]?\d{2} ?[A-D]\b/gi,
  isValid: (it) => !/^(?:BG|GB|KN|NK|NT|TN|ZZ)/.test(it),
  words: /national insurance|\bnino?\b/i,
  needsWords: never,
};
