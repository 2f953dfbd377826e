import { type NationalId, withoutSeparators } from "./national-id.ts";

/** Social Security number: no check digit, but areas, groups and serials that are never given out (20 CFR 422.103). */
export const usSsn: NationalId = {
  pattern: /\b\d{3}(?:-\d{2}-|  ?\d{2}  ?|\d{2})\d{4}\b/g,
  isValid: (it) =>
    !/^(?:000|666|9)/.test(it) && it.slice(3, 5) !== "00" && it.slice(5) !== "0000" && it !== "123456789",
  words: /\b(?:ssn|social security|soc(?:ial)? sec|itin|tax(?:payer)? id)/i,
  needsWords: (it) => withoutSeparators(it) || it.includes(" "),
};
