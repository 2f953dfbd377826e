import { type NationalId, never } from "./national-id.ts";

const LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE";

/** DNI, and NIE of foreigners: the letter is the number's remainder by 23. */
export const esDni: NationalId = {
  pattern: /\b(?:[XYZ][ -]?\d{7}|\d{2}\.?\d{3}\.?\d{3})[ -]?[A-HJ-NP-TV-Z]\b/gi,
  isValid(it) {
    const digits = it.slice(0, -1).replace(/^[XYZ]/, (first) => String("XYZ".indexOf(first)));
    return LETTERS[Number(digits) % 23] === it.at(-1);
  },
  words: /\b(?:dni|nie|nif)\b/i,
  needsWords: never,
};
