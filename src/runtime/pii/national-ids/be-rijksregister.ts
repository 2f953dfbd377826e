import { isDay, mod97 } from "../check-digits.ts";
import { type NationalId, withoutSeparators } from "./national-id.ts";

/** Rijksregisternummer, numéro national: who was born from 2000 on has a two before the number for the key. */
export const beRijksregister: NationalId = {
  pattern: /\b\d{2}[.-]?\d{2}[.-]?\d{2}[ .-]?\d{3}[.-]?\d{2}\b/g,
  isValid(it) {
    const key = Number(it.slice(9));
    const fits = (prefix: string) => 97 - mod97(prefix + it.slice(0, 9)) === key;
    return isDay(it.slice(2, 4), it.slice(4, 6)) && (fits("") || fits("2"));
  },
  words: /rijksregister|registre national|num[ée]ro national|\binsz\b|\bniss\b/i,
  needsWords: withoutSeparators,
};
