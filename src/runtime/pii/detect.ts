import { cards } from "./card.ts";
import { emails } from "./email.ts";
import { digitRuns } from "./digit-groups.ts";
import type { Finding, PiiKind } from "./finding.ts";
import { fold, unfold } from "./fold.ts";
import { ibans } from "./iban.ts";
import { ipAddresses } from "./ip-address.ts";
import { nationalIds } from "./national-ids/all.ts";
import { phones } from "./phone.ts";
import { CALLED_SECRET, KEY_HEAD, secrets } from "./secret.ts";
import { piecesOf } from "./segments.ts";

/** Where findings overlap, the kind with the lowest number names them. */
const RANK: Record<PiiKind, number> = {
  secret: 0,
  iban: 1,
  card: 2,
  email: 3,
  national_id: 4,
  ip_address: 5,
  phone: 6,
};

const DIGIT = /\d/;
/** Six digits, each at most three characters after the one before: what has fewer is no number of a person. */
const LONG_NUMBER = /\d(?:[^\d]{0,3}\d){5}/;
const SIGN = /@|%40|[([{]\s?at\s?[)\]}]|&commat;|&#/i;
const ADDRESS = /\d\.\d{1,3}\.\d|[0-9a-f]:[0-9a-f:]/i;

const HINT = /[\d@\u00b2\u00b3\u00b9\u2070-\u2089\u2460-\u2473\u24ea\ufe6b\uff01-\uff5e]|:\/\//;
/** Neither Latin nor the usual punctuation and symbols: the slow look for digits of other scripts is worth it. */
const OTHER_SCRIPT = /[^\t-\u024f\u2000-\u203f\u20a0-\u20bf\u2190-\u27bf]/;
const ITS_DIGITS = /[\p{Nd}\u{1d400}-\u{1d7ff}]/u;

/** Whether a text of any script may have a finding at all: a quick look. */
export const mayHold = (text: string): boolean =>
  HINT.test(text) ||
  SIGN.test(text) ||
  CALLED_SECRET.test(text) ||
  KEY_HEAD.test(text) ||
  (OTHER_SCRIPT.test(text) && ITS_DIGITS.test(text));

/** What the detectors find; each is asked only where there may be something for it. */
function detected(text: string): Finding[] {
  const hasDigits = DIGIT.test(text);
  const isLong = hasDigits && LONG_NUMBER.test(text);
  const runs = isLong ? digitRuns(text) : [];
  return [
    ...secrets(text),
    ...(runs.length ? [...ibans(text), ...cards(text, runs), ...nationalIds(text), ...phones(text, runs)] : []),
    ...(SIGN.test(text) ? emails(text) : []),
    ...(hasDigits && ADDRESS.test(text) ? ipAddresses(text) : []),
  ];
}

/** Findings that touch one another become one. */
function joined(findings: Finding[]): Finding[] {
  const sorted = findings.toSorted((a, b) => a.start - b.start || RANK[a.kind] - RANK[b.kind]);
  const made: Finding[] = [];
  for (const it of sorted) {
    const last = made.at(-1);
    if (!last || it.start >= last.end) made.push({ ...it });
    else {
      last.end = Math.max(last.end, it.end);
      if (RANK[it.kind] < RANK[last.kind]) last.kind = it.kind;
    }
  }
  return made;
}

/** Says of a value that it is nobody's secret, as an address that the agent is told to give. */
export type IsKnown = (kind: PiiKind, value: string) => boolean;
const NOTHING_KNOWN: IsKnown = () => false;

/** What is in one segment, in order, without overlaps. */
export function findingsInSegment(segment: string, isKnown: IsKnown = NOTHING_KNOWN): Finding[] {
  if (!mayHold(segment)) return [];
  const folded = fold(segment);
  const found = detected(folded.text);
  const inText = found.filter((it) => !isKnown(it.kind, folded.text.slice(it.start, it.end)));
  return joined(inText).map(({ kind, start, end }) => ({ kind, ...unfold(folded, start, end) }));
}

/** What is in a text, in order, without overlaps. Takes time that grows with the text's length alone. */
export function findingsIn(text: string, isKnown?: IsKnown): Finding[] {
  if (!mayHold(text)) return [];
  let from = 0;
  return piecesOf(text, mayHold).flatMap((segment) => {
    const start = from;
    from += segment.length;
    return findingsInSegment(segment, isKnown).map((it) => ({ ...it, start: it.start + start, end: it.end + start }));
  });
}
