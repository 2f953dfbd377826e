// Look-alikes: the same to a reader, and to a model, as what stands on the right.

/** Letters of Cyrillic and Greek that look Latin. */
const HOMOGLYPHS: Record<string, string> = Object.fromEntries(
  [
    ..."аa еe оo рp сc уy хx іi јj ѕs һh ԁd ԛq ԝw АA ВB ЕE КK МM НH ОO РP СC ТT УY ХX ІI ЈJ ЅS".split(" "),
    ..."αa οo ρp νv ιi κk υu ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX".split(" "),
  ].map((pair) => [pair[0] as string, pair[1] as string]),
);

const ASCII = /^[\t\n\r\x20-\x7e]*$/;
/** Characters of no width, marks of direction, soft hyphens, variation selectors, and what the database puts for NUL. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}|\p{Cc}/u;
const SPACE = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/;
const DASH = /[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/;
const DOT = /[\u2024\u3002\ufe52\uff0e\uff61]/;
const DIGIT = /\p{Nd}/u;
/** Keycaps and the like are a digit and marks; circled and other digits are folded by NFKC. */
const COMPATIBLE = /[\u00b2\u00b3\u00b9\u2070-\u2089\u2460-\u2473\u24ea\uff01-\uff5e\u{1d400}-\u{1d7ff}]/u;

/** A text as it looks, and where each of its characters stands in the original. */
export interface Folded {
  text: string;
  /** The original's offset of a folded offset, where a finding begins; undefined: they are the same. */
  at: Uint32Array | undefined;
  /** Length of the original. */
  length: number;
}

/** The value of a digit of any script: their blocks run from zero to nine. */
function digitOf(char: string): string {
  const code = char.codePointAt(0) as number;
  let zero = code;
  while (code - zero < 9 && DIGIT.test(String.fromCodePoint(zero - 1))) zero--;
  // Blocks of digits may follow one another, as the mathematical ones do: those are folded by NFKC before.
  return String(code - zero);
}

function foldChar(char: string): string {
  if (INVISIBLE.test(char) && char !== "\t" && char !== "\n" && char !== "\r") return "";
  if (SPACE.test(char)) return " ";
  if (DASH.test(char)) return "-";
  if (DOT.test(char)) return ".";
  const known = HOMOGLYPHS[char];
  if (known !== undefined) return known;
  if (COMPATIBLE.test(char)) return char.normalize("NFKC");
  if (DIGIT.test(char)) return digitOf(char);
  return char;
}

/** What the characters beyond ASCII that were met fold to; there are few, and the map ends with this many. */
const MOST_KNOWN = 10_000;
class Foldings {
  readonly #known = new Map<number, string>();
  of(code: number): string {
    const known = this.#known.get(code);
    if (known !== undefined) return known;
    const folded = foldChar(String.fromCodePoint(code));
    if (this.#known.size < MOST_KNOWN) this.#known.set(code, folded);
    return folded;
  }
}
const foldings = new Foldings();

/** The text with look-alikes as the characters that they look like, and without what cannot be seen. */
export function fold(original: string): Folded {
  if (ASCII.test(original)) return { text: original, at: undefined, length: original.length };
  const at: number[] = [];
  let text = "";
  for (let i = 0; i < original.length; ) {
    const code = original.codePointAt(i) as number;
    const folded = code > 0x1f && code < 0x7f ? (original[i] as string) : foldings.of(code);
    for (let n = 0; n < folded.length; n++) at.push(i);
    text += folded;
    i += code > 0xffff ? 2 : 1;
  }
  at.push(original.length);
  return { text, at: Uint32Array.from(at), length: original.length };
}

/** A stretch of the folded text, as a stretch of the original. What is invisible at its end stays outside. */
export function unfold({ at, text }: Folded, start: number, end: number): { start: number; end: number } {
  if (!at) return { start, end };
  const from = at[start] as number;
  if (end === 0) return { start: from, end: from };
  const last = at[end - 1] as number;
  // The next character's place, were nothing dropped in between, is one or two units on.
  const next = end < text.length ? (at[end] as number) : (at[text.length] as number);
  return { start: from, end: next > last ? next : last + 1 };
}
