import { findingsInSegment, type IsKnown } from "./detect.ts";
import { countOf, type PiiCounts, placeholder } from "./finding.ts";
import { mayHold } from "./quick-look.ts";
import { piecesOf } from "./segments.ts";

/** What takes a finding's place may bring what stands around it together: so often it is looked again. */
const MOST_ROUNDS = 8;

/** One segment with a placeholder for each finding. @param counts raised by what was found */
export function redactSegment(segment: string, counts: PiiCounts, isKnown?: IsKnown): string {
  let text = segment;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const findings = findingsInSegment(text, isKnown);
    if (findings.length === 0) return text;
    let made = "";
    let from = 0;
    for (const { kind, start, end } of findings) {
      made += text.slice(from, start) + placeholder(kind);
      from = end;
      countOf(counts, kind);
    }
    text = made + text.slice(from);
  }
  return text;
}

/** A text with a placeholder for each finding; the same text when there is none. */
export function redactText(text: string, counts: PiiCounts, isKnown?: IsKnown): string {
  if (!mayHold(text)) return text;
  const made = piecesOf(text, mayHold)
    .map((it) => redactSegment(it, counts, isKnown))
    .join("");
  return made === text ? text : made;
}

/** The keys under which a value is a secret without saying so itself. */
const SECRET_KEY = /secret|token|passw|pwd|api_?key|credential/i;

/** A text that stands under a key of an object: the key may tell what it is. */
function redactValue(key: string, value: string, counts: PiiCounts, isKnown?: IsKnown): string {
  const made = redactText(value, counts, isKnown);
  if (made !== value || !SECRET_KEY.test(key) || /\s/.test(value)) return made;
  const label = "secret: ";
  return redactText(label + value, counts, isKnown).slice(label.length);
}

/** Numbers as long as a card's are looked at as the text that they are. */
const redactNumber = (value: number, counts: PiiCounts, isKnown?: IsKnown): unknown => {
  if (!Number.isSafeInteger(value) || value < 1e11) return value;
  const made = redactText(String(value), counts, isKnown);
  return made === String(value) ? value : made;
};

/** Any JSON value with a placeholder for each finding, in texts, keys and long numbers; the same value when there is none. */
export function redactJson<T>(value: T, counts: PiiCounts, isKnown?: IsKnown): T {
  const walk = (it: unknown, key: string): unknown => {
    if (typeof it === "string") return redactValue(key, it, counts, isKnown);
    if (typeof it === "number") return redactNumber(it, counts, isKnown);
    if (typeof it !== "object" || it === null) return it;
    if (Array.isArray(it))
      return keepIfSame(
        it,
        it.map((element) => walk(element, key)),
      );
    const was = Object.entries(it);
    const made = was.map(([name, inner]) => [redactText(name, counts, isKnown), walk(inner, name)] as const);
    return made.every(([name, inner], i) => name === was[i]?.[0] && inner === was[i]?.[1]) ? it : asObject(made);
  };
  return walk(value, "") as T;
}

const keepIfSame = (was: unknown[], made: unknown[]): unknown[] => (made.every((it, i) => it === was[i]) ? was : made);

/** Keys that became the same are told apart. */
function asObject(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const taken = new Map<string, unknown>();
  for (const [name, value] of entries) {
    let free = name;
    for (let i = 2; taken.has(free); i++) free = `${name} (${i})`;
    taken.set(free, value);
  }
  return Object.fromEntries(taken);
}
