import { isAnnounced } from "./context.ts";
import { type DigitRun, isAlone } from "./digit-groups.ts";
import type { DigitDetector, Finding } from "./finding.ts";

/** Calling codes (ITU-T E.164). */
const COUNTRY =
  /^(?:1|7|2(?:0|7|1[1-368]|[2346]\d|5[0-8]|9[01789])|3(?:[0123469]|5\d|7\d|8[0-35-79])|4(?:[013456789]|2[013])|5(?:[1-8]|0\d|9\d)|6(?:[0-6]|7[02-9]|8[0-35-9]|9[0-2])|8(?:[1246]|5[0-6]|8[06])|9(?:[0-58]|6[0-8]|7[0-79]|9[2-68]))/;
const ANNOUNCED =
  /(?:\b(?:phone|telephone|tel|mobile|cell(?:phone)?|call(?:ing)?(?: (?:me|us|back))?|dial|ring|fax|whatsapp|signal|sms|text me|telefon(?:nummer)?|handy(?:nummer)?|mobil(?:nummer)?|rufnummer|telefax|t[ée]l[ée]phone|portable|m[óo]vil|tel[ée]fono|celular|cellulare|telefoon|mobiel)\b|☎|📞|📱)/i;
/** Between such a word and a number: the number is another one. */
const OTHER =
  /\b(?:order|ticket|case|invoice|ref(?:erence)?|id|tracking|serial|part|sku|amount|total|version|build|model|port|code|bestellung|rechnung|commande|pedido)\b/i;

/** Fewer are no number that could be called from elsewhere. */
const FEWEST_DIGITS = 7;

const sizesOf = ({ groups }: DigitRun): string => groups.map((it) => it.digits.length).join(",");
const digitsOf = ({ groups }: DigitRun): string => groups.map((it) => it.digits).join("");

/** The run up to so many digits. */
function shortened(run: DigitRun, most: number): DigitRun {
  let digits = 0;
  const beyond = run.groups.findIndex((it) => (digits += it.digits.length) > most);
  if (beyond < 0) return run;
  const groups = run.groups.slice(0, beyond);
  return { ...run, groups, end: groups.at(-1)?.end ?? run.start };
}

/** A date and nothing more. */
const isDay = (run: DigitRun): boolean => run.count === 8 && /^(?:2,2,4|4,2,2)$/.test(sizesOf(run));

/** A day is no number, whatever stands beside it. */
const isDate = (run: DigitRun): boolean => /^(?:2,2,4|4,2,2|2,2,2$|1,1,4|1,2,4|2,1,4)/.test(sizesOf(run));

function international(text: string, run: DigitRun): Finding | undefined {
  const plus = /\+[ (]?$/.exec(text.slice(Math.max(0, run.start - 2), run.start));
  if (!plus) return undefined;
  const start = run.start - plus[0].length;
  const number = shortened(run, 16); // a trunk zero in brackets may come on top of the fifteen
  const digits = digitsOf(number);
  if (/[A-Za-z0-9_]/.test(text[start - 1] ?? " ") || digits.length < 8 || !COUNTRY.test(digits)) return undefined;
  return { kind: "phone", start, end: number.end };
}

function exitCode(text: string, run: DigitRun): Finding | undefined {
  const digits = digitsOf(run);
  if (!digits.startsWith("00") || !COUNTRY.test(digits.slice(2)) || digits.length < 11 || digits.length > 17)
    return undefined;
  const [first] = run.groups;
  const isSpaced = run.groups.length > 1 && (first?.digits.length ?? 9) <= 5;
  if (!isSpaced && !isAnnounced(text, run.start, ANNOUNCED)) return undefined;
  return { kind: "phone", start: run.start, end: run.end };
}

/** With a trunk zero, in groups: most of Europe, Asia and Oceania. */
function trunkZero(run: DigitRun): Finding | undefined {
  const number = shortened(run, 12);
  const [first, second] = number.groups;
  const digits = digitsOf(number);
  if (!first || !second || !/^0[1-9]/.test(digits) || first.digits.length > 5 || digits.length < 9) return undefined;
  if (isDate(number) || number.groups.slice(1).some((it) => it.digits.length === 1)) return undefined;
  const dots = number.groups.slice(1).every((it) => it.gap === ".");
  if (dots && !/^2,2,2,2,2$/.test(sizesOf(number))) return undefined;
  return { kind: "phone", start: run.start, end: number.end };
}

/** North America, India, Brazil: a fixed grouping, and first digits that others have not. */
const FIXED: [string, RegExp][] = [
  ["3,3,4", /^[2-9]\d{2}[2-9]\d{6}$/],
  ["1,3,3,4", /^1[2-9]\d{2}[2-9]\d{6}$/],
  ["5,5", /^[6-9]\d{9}$/],
  ["2,5,4", /^[1-9]{2}9\d{8}$/],
];
function fixedGroups(run: DigitRun): Finding | undefined {
  const sizes = sizesOf(run);
  const digits = digitsOf(run);
  const fits = FIXED.some(([grouping, first]) => grouping === sizes && first.test(digits));
  const oddGap = run.groups.slice(1).some(({ gap }) => gap.includes("/"));
  return fits && !oddGap ? { kind: "phone", start: run.start, end: run.end } : undefined;
}

function announced(text: string, run: DigitRun): Finding | undefined {
  const number = shortened(run, 13);
  const { length } = digitsOf(number);
  if (length < 7 || isDate(number) || !isAnnounced(text, run.start, ANNOUNCED)) return undefined;
  const before = text.slice(Math.max(0, run.start - 24), run.start);
  return OTHER.test(before) ? undefined : { kind: "phone", start: run.start, end: number.end };
}

const withBracket = (text: string, found: Finding): Finding =>
  text[found.start - 1] === "(" && text.slice(found.start, found.end).includes(")")
    ? { ...found, start: found.start - 1 }
    : found;

function phoneOf(text: string, run: DigitRun): Finding | undefined {
  const abroad = international(text, run);
  if (abroad) return abroad;
  if (!run.standsAlone || /[+#$€£¥%,]$|\d[,.]$/.test(text.slice(Math.max(0, run.start - 2), run.start)))
    return undefined;
  const found = exitCode(text, run) ?? trunkZero(run) ?? fixedGroups(run) ?? announced(text, run);
  return found && isAlone(text, found.start, found.end) ? withBracket(text, found) : undefined;
}

/** Phone numbers: international, national in the usual groupings, and any that are announced as one. */
export const phones: DigitDetector = (text, runs) =>
  runs.flatMap((run) => (run.count < FEWEST_DIGITS || isDay(run) ? [] : (phoneOf(text, run) ?? [])));
