import { cards } from "./card.ts";
import { emails } from "./email.ts";
import { digitRuns } from "./digit-groups.ts";
import type { Finding, PiiKind } from "./finding.ts";
import { fold, unfold } from "./fold.ts";
import { ibans } from "./iban.ts";
import { ipAddresses } from "./ip-address.ts";
import { nationalIds } from "./national-ids/all.ts";
import { phones } from "./phone.ts";
import { mayHold, mayHoldAddress, mayHoldEmail, mayHoldNumber } from "./quick-look.ts";
import { secrets } from "./secret.ts";
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

/** What the detectors find; each is asked only where there may be something for it. */
function detected(text: string): Finding[] {
  return [
    ...secrets(text),
    ...(mayHoldNumber(text) ? numbers(text) : []),
    ...(mayHoldEmail(text) ? emails(text) : []),
    ...(mayHoldAddress(text) ? ipAddresses(text) : []),
  ];
}

function numbers(text: string): Finding[] {
  const runs = digitRuns(text);
  return [...ibans(text), ...cards(text, runs), ...nationalIds(text), ...phones(text, runs)];
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
