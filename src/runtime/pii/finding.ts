import type { DigitRun } from "./digit-groups.ts";

/** What is looked for. The names are the labels of the metric and of the audit log. */
export const PII_KINDS = ["email", "phone", "card", "iban", "national_id", "ip_address", "secret"] as const;
export type PiiKind = (typeof PII_KINDS)[number];

/** Where something was found: `start` to `end` (not included), in UTF-16 units of the text. Never the value itself. */
export interface Finding {
  kind: PiiKind;
  start: number;
  end: number;
}

/** What stands in a finding's place. Holds no digit and no `@`, so that it is never a part of another finding. */
export const placeholder = (kind: PiiKind): string => `[${kind.toUpperCase()}]`;

/** How many of each kind. */
export type PiiCounts = Partial<Record<PiiKind, number>>;

export function countOf(counts: PiiCounts, kind: PiiKind, more = 1): void {
  counts[kind] = (counts[kind] ?? 0) + more;
}

/** Looks for one kind in a segment: text as segments.ts cuts it, and folded (see fold.ts). Findings may overlap. */
export type Detector = (text: string) => Finding[];

/** Looks for one kind among the runs of digits of a segment. */
export type DigitDetector = (text: string, runs: readonly DigitRun[]) => Finding[];
