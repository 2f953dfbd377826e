import { weighted } from "../check-digits.ts";
import { always, type NationalId } from "./national-id.ts";

/** Número de identificação fiscal of a person. */
export const ptNif: NationalId = {
  pattern: /\b[1-35689]\d{2}[ .]?\d{3}[ .]?\d{3}\b/g,
  isValid(it) {
    const rest = weighted(it, [9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    return (rest < 2 ? 0 : 11 - rest) === Number(it[8]);
  },
  words: /\bnif\b|contribuinte/i,
  needsWords: always,
};
