import { isAnnounced } from "../context.ts";
import { isAlone } from "../digit-groups.ts";
import type { Detector, Finding } from "../finding.ts";
import { matchesOf } from "../matches.ts";

/** A state's number for a person. */
export interface NationalId {
  /** How it is written; with the flags `g` and, where letters are in it, `i`. Bounded repetitions only. */
  pattern: RegExp;
  /** By its check digits and rules. @param compact without separators, in capitals */
  isValid(compact: string): boolean;
  /** Words that announce it; needed where the number alone could as well be another. */
  words: RegExp;
  /** Whether what was found has to be announced. @param written as it stands in the text */
  needsWords(written: string): boolean;
}

export const always = () => true;
export const never = () => false;
/** Digits alone are any number; with its separators it is this one. */
export const withoutSeparators = (written: string): boolean => /^[A-Za-z0-9]+$/.test(written);

const compactOf = (written: string): string => written.replace(/[ ./-]/g, "").toUpperCase();

/** Looks for one country's number. */
export const detectorOf =
  ({ pattern, isValid, words, needsWords }: NationalId): Detector =>
  (text) => {
    const found: Finding[] = [];
    for (const { 0: written, index } of matchesOf(text, pattern)) {
      const end = index + written.length;
      if (!isAlone(text, index, end) || !isValid(compactOf(written))) continue;
      if (needsWords(written) && !isAnnounced(text, index, words)) continue;
      found.push({ kind: "national_id", start: index, end });
    }
    return found;
  };
