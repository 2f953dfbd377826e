import { fitsLuhn, isOneDigit } from "./check-digits.ts";
import { isAnnounced } from "./context.ts";
import { type DigitGroup, type DigitRun, isAlone } from "./digit-groups.ts";
import type { DigitDetector, Finding } from "./finding.ts";

/** Issuer identification numbers and the lengths that go with them. */
const SCHEMES: [RegExp, readonly number[]][] = [
  [/^4/, [13, 16, 19]], // Visa
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]], // Mastercard
  [/^3[47]/, [15]], // American Express
  [/^(?:30[0-5]|309|36|38|39)/, [14, 16]], // Diners Club
  [/^(?:6011|64[4-9]|65)/, [16, 19]], // Discover
  [/^35(?:2[89]|[3-8])/, [16]], // JCB
  [/^(?:62|81)/, [16, 17, 18, 19]], // UnionPay
  [/^(?:50|5[6-9]|6[0-9])/, [16, 18, 19]], // Maestro, RuPay and others; shorter ones look like any number
  [/^220[0-4]/, [16]], // Mir
];

/** Cards of thirteen digits are old, and articles' barcodes have as many: they have to be called cards. */
const SHORT = 13;
const WORDS = /card|visa|karte|carte|tarjeta|carta|\bpan\b/i;

const isCard = (digits: string): boolean =>
  SCHEMES.some(([prefix, lengths]) => lengths.includes(digits.length) && prefix.test(digits)) &&
  fitsLuhn(digits) &&
  !isOneDigit(digits);

/** As they are printed, and digit by digit; any other grouping is another kind of number. */
const isGrouping = (sizes: readonly number[]): boolean =>
  sizes.length === 1 ||
  sizes.every((it) => it === 1) ||
  /^(?:4,4,4,(?:4|1|4,[1-3])|4,6,[45]|8,8|6,(?:7|10|13)|4,4,5)$/.test(sizes.join(","));

const evenGaps = (groups: readonly DigitGroup[]): boolean => {
  const gaps = groups.slice(1).map((it) => it.gap);
  return gaps.every((it) => it === gaps[0] && !/[()/]/.test(it));
};

/** Sizes of a first group that a card may begin with. */
const mayBegin = ({ digits }: DigitGroup): boolean => /^(?:.|.{4}|.{6}|.{8}|.{13,19})$/.test(digits);

function cardFrom({ groups }: DigitRun, first: number, text: string): Finding | undefined {
  let digits = "";
  if (!mayBegin(groups[first] as DigitGroup)) return undefined;
  const single = groups[first]?.digits.length === 1;
  for (let last = first; last < groups.length && digits.length < 19; last++) {
    const group = groups[last] as DigitGroup;
    if (single && group.digits.length > 1) return undefined; // digit by digit to the end
    digits += group.digits;
    if (digits.length < 13 || digits.length > 19) continue;
    const taken = groups.slice(first, last + 1);
    const { start } = groups[first] as DigitGroup;
    const { end } = groups[last] as DigitGroup;
    if (
      isGrouping(taken.map((it) => it.digits.length)) &&
      evenGaps(taken) &&
      isCard(digits) &&
      (digits.length > SHORT || isAnnounced(text, start, WORDS)) &&
      isAlone(text, start, end)
    )
      return { kind: "card", start, end };
  }
  return undefined;
}

/** Payment cards: a known issuer, the length that goes with it, and the check digit (ISO/IEC 7812-1). */
export const cards: DigitDetector = (text, runs) =>
  runs.flatMap((run) => {
    if (run.count < SHORT) return [];
    const found: Finding[] = [];
    for (let first = 0; first < run.groups.length; first++) {
      const card = cardFrom(run, first, text);
      if (!card) continue;
      found.push(card);
      while ((run.groups[first + 1]?.start ?? Number.POSITIVE_INFINITY) < card.end) first++;
    }
    return found;
  });
