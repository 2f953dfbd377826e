import { fold } from "./fold.ts";
import { CALLED_SECRET, KEY_HEAD } from "./secret.ts";

// What may be in a text at all: most texts have nothing, and are not looked at word by word. Each of these finds at least what the
// detectors of its kind could; quick-look.test.ts holds them against one another.

/** Six digits with at most three characters in between that a written number may have there; fewer are no number of a person. */
const LONG_NUMBER = /\d(?:[ \t./()+A-Za-z-]{0,3}\d){5}/;
/** India's PAN has but four digits. */
const LETTERS_AND_DIGITS = /[A-Z]{3}P[A-Z]\d{4}[A-Z]/;
const SIGN = /@|%40|[([{]\s?at\s?[)\]}]|&commat;|&#/i;
const ADDRESS = /\d\.\d{1,3}\.\d{1,3}\.\d|[23][0-9a-f]{3}:[0-9a-f:]/i;

export const mayHoldNumber = (text: string): boolean => LONG_NUMBER.test(text) || LETTERS_AND_DIGITS.test(text);
export const mayHoldEmail = (text: string): boolean => SIGN.test(text);
export const mayHoldAddress = (text: string): boolean => ADDRESS.test(text);

/** Whether a folded text may have a finding. */
const foldedMayHold = (text: string): boolean =>
  LONG_NUMBER.test(text) ||
  SIGN.test(text) ||
  CALLED_SECRET.test(text) ||
  KEY_HEAD.test(text) ||
  ADDRESS.test(text) ||
  LETTERS_AND_DIGITS.test(text);

/** Latin text with the usual marks: folding changes nothing in it (see fold.ts). */
const FOLDED =
  /^[\t\n\r\x20-\x7e\u00a1-\u00ac\u00ae-\u00b1\u00b4-\u00b8\u00ba-\u024f\u2018-\u201f\u2022\u2026\u20ac]*$/;

/** Whether a text may have a finding at all. */
export const mayHold = (text: string): boolean => foldedMayHold(FOLDED.test(text) ? text : fold(text).text);
