import { mod97 } from "../check-digits.ts";
import { type NationalId, never } from "./national-id.ts";

/** Numéro de sécurité sociale (INSEE): sex, year, month, place, and a key by 97; Corsica's 2A and 2B count as 19 and 18. */
export const frNir: NationalId = {
  pattern: /\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-4]\d|[5-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}\b/gi,
  isValid(it) {
    const number = it.slice(0, 13).replace("2A", "19").replace("2B", "18");
    return 97 - mod97(number) === Number(it.slice(13));
  },
  words: /s[ée]curit[ée] sociale|\bnir\b|\binsee\b/i,
  needsWords: never,
};
