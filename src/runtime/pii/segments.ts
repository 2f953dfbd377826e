/**
 * Text is looked at in segments, and nothing is found across their borders: a text that comes in pieces is then cut at the same places
 * as a whole one, whatever the pieces are. A border is a line's end (but not inside of a PEM block), or the gap before a word when the
 * word before it, this one and the next three are plain: no number, address or key has one, and what announces a number
 * ("social security number is") stays with it.
 */

const PLAIN_IN_ROW = 5;
/** A longer one is cut anyway, at its last space: the longest PEM keys are shorter. */
export const LONGEST_SEGMENT = 16_384;

const PLAIN = /^["'“„«(]?\p{L}{1,32}(?:['’-]\p{L}{1,32}){0,4}["'”»)]?[.,;!?]{0,3}["'”»)]?$/u;
/** Stand for characters of an address. */
const SPOKEN = /^[([{](?:at|dot)[)\]}]$/i;
const isPlain = (word: string): boolean => word.length <= 64 && PLAIN.test(word) && !SPOKEN.test(word);

/** The usual case of a plain word: letters, and perhaps a mark behind them. */
function isPlainAscii(text: string, start: number, end: number): boolean {
  if (end - start > 32) return false;
  for (let i = start; i < end; i++) {
    const letter = text.charCodeAt(i) | 0x20;
    if (letter < 0x61 || letter > 0x7a) return i > start && i === end - 1 && MARKS.includes(text[i] as string);
  }
  return true;
}
const MARKS = ".,;!?";

const LINE_END = 0x0a;
const isGap = (code: number): boolean => code === 0x20 || code === 0x09 || code === 0x0d;

/** Goes once through a text, from one word to the next, and notes the borders. */
class Walk {
  readonly borders: number[] = [];
  readonly #text: string;
  #from = 0;
  #starts: number[] = [];
  #inPem = false;

  constructor(text: string) {
    this.#text = text;
  }

  #border(at: number): void {
    this.borders.push(at);
    this.#from = at;
  }

  /** A border because there is none for too long: at the last gap, or where it is too much. @returns where to go on */
  #force(): number {
    const most = this.#from + LONGEST_SEGMENT;
    const space = this.#text.lastIndexOf(" ", most - 1);
    this.#border(space > this.#from ? space + 1 : most);
    this.#starts = [];
    this.#inPem = false;
    return this.#from;
  }

  #word(start: number, end: number): void {
    if (!isPlainAscii(this.#text, start, end)) {
      const word = this.#text.slice(start, end);
      if (word.includes("-----BEGIN")) this.#inPem = true;
      if (this.#inPem && word.includes("-----END")) this.#inPem = false;
      if (!isPlain(word)) {
        this.#starts = [];
        return;
      }
    }
    this.#starts.push(start);
    if (this.#starts.length < PLAIN_IN_ROW) return;
    this.#starts.shift();
    this.#border(this.#starts[0] as number);
  }

  /** @param isLast false: the text goes on, and its last word too, perhaps */
  run(isLast: boolean): void {
    const text = this.#text;
    let i = 0;
    while (i < text.length) {
      const code = text.charCodeAt(i);
      if (code === LINE_END && !this.#inPem) this.#border(i + 1);
      if (code === LINE_END) this.#starts = [];
      if (code === LINE_END || isGap(code)) i++;
      else {
        let end = i;
        const most = this.#from + LONGEST_SEGMENT;
        while (end < text.length && end <= most && text.charCodeAt(end) !== LINE_END && !isGap(text.charCodeAt(end)))
          end++;
        if (end <= most && end === text.length && !isLast) return;
        if (end <= most) this.#word(i, end);
        i = end;
      }
      if (i - this.#from > LONGEST_SEGMENT) i = this.#force();
    }
  }
}

/** The segments of a text; what of a text that goes on cannot be cut off yet is the rest. */
export function segmentsOf(text: string, isLast: boolean): { segments: string[]; rest: string } {
  const walk = new Walk(text);
  walk.run(isLast);
  let from = 0;
  const segments = walk.borders.map((border) => {
    const segment = text.slice(from, border);
    from = border;
    return segment;
  });
  const rest = text.slice(from);
  return isLast ? { segments: rest ? [...segments, rest] : segments, rest: "" } : { segments, rest };
}

/**
 * The text in pieces that are segments, or have nothing in them that a finding could be made of: lines in which `mayHold` sees
 * nothing are not looked at word by word.
 */
export function piecesOf(text: string, mayHold: (line: string) => boolean): string[] {
  if (text.includes("-----BEGIN")) return segmentsOf(text, true).segments;
  const lines = text.split(/(?<=\n)/);
  return lines.flatMap((line) => (mayHold(line) ? segmentsOf(line, true).segments : line));
}
