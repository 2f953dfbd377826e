import { weighted } from "../check-digits.ts";
import { type NationalId, never } from "./national-id.ts";

/** AHV-Nummer: the country's prefix and a check digit as EAN-13 has it. */
export const chAhv: NationalId = {
  pattern: /\b756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}\b/g,
  isValid: (it) => weighted(it, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]) % 10 === 0,
  words: /\bahv\b|\bavs\b/i,
  needsWords: never,
};
