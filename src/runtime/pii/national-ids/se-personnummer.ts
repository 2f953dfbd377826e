import { fitsLuhn, isDay } from "../check-digits.ts";
import { type NationalId, never } from "./national-id.ts";

/** Personnummer, and samordningsnummer with sixty added to the day. */
export const sePersonnummer: NationalId = {
  pattern: /\b(?:19|20)?\d{6}-\d{4}\b/g,
  isValid(it) {
    const short = it.slice(-10);
    const day = Number(short.slice(4, 6));
    return isDay(short.slice(2, 4), String(day > 60 ? day - 60 : day)) && fitsLuhn(short);
  },
  words: /personn|samordning/i,
  needsWords: never,
};
