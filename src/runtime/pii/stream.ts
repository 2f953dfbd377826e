import type { IsKnown } from "./detect.ts";
import type { PiiCounts } from "./finding.ts";
import { mayHold } from "./quick-look.ts";
import { redactSegment } from "./redact.ts";
import { segmentsOf } from "./segments.ts";

/**
 * Redacts a text that comes in pieces: what comes out, put together, is `redactText` of what went in, whatever the pieces are. Held back
 * is what may still be part of a finding: five words of prose, a line of numbers, a PEM block; LONGEST_SEGMENT characters at most.
 */
export class StreamRedactor {
  readonly counts: PiiCounts = {};
  readonly #isKnown: IsKnown | undefined;
  readonly #stops: boolean;
  #rest = "";

  /** @param stops whether nothing comes out any more from the first segment with a finding on */
  constructor(isKnown?: IsKnown, stops = false) {
    this.#isKnown = isKnown;
    this.#stops = stops;
  }

  /** @returns what can be told of the text so far */
  push(piece: string): string {
    return this.#take(this.#rest + piece, false);
  }

  /** @returns what was held back: the text is over */
  end(): string {
    return this.#take(this.#rest, true);
  }

  #take(text: string, isLast: boolean): string {
    const { segments, rest } = segmentsOf(text, isLast);
    this.#rest = rest;
    const whole = segments.join("");
    return mayHold(whole) || this.#isOver ? segments.map((it) => this.#told(it)).join("") : whole;
  }

  get #isOver(): boolean {
    return this.#stops && Object.keys(this.counts).length > 0;
  }

  #told(segment: string): string {
    const text = redactSegment(segment, this.counts, this.#isKnown);
    return this.#isOver ? "" : text;
  }
}
