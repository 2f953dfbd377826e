import { type NationalId, never } from "./national-id.ts";

/** Values of 0–9 and A–Z in odd places. */
const ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
const valueOf = (char: string): number => (/\d/.test(char) ? Number(char) : char.charCodeAt(0) - 65);

/** Codice fiscale: name, date and place of birth, and a check letter (DM 23/12/1976). */
export const itCodiceFiscale: NationalId = {
  pattern: /\b[A-Z]{3} ?[A-Z]{3} ?\d{2}[A-EHLMPRST]\d{2} ?[A-Z]\d{3} ?[A-Z]\b/gi,
  isValid(it) {
    const sum = Array.from(it.slice(0, 15)).reduce(
      (all, char, i) => all + (i % 2 ? valueOf(char) : (ODD[valueOf(char)] as number)),
      0,
    );
    return String.fromCharCode(65 + (sum % 26)) === it.at(-1);
  },
  words: /codice fiscale/i,
  needsWords: never,
};
