import { findingsIn } from "../../src/runtime/pii/detect.ts";
import { PII_KINDS, type PiiKind } from "../../src/runtime/pii/finding.ts";

/** A text, and what of it is personal. */
export interface Labelled {
  text: string;
  expected: { kind: PiiKind; value: string }[];
}

export interface Score {
  labelled: number;
  /** Labelled values that a finding of their kind covers. */
  found: number;
  /** Findings that touch no labelled value of their kind. */
  wrong: number;
}

/** How well the detectors do. @param missed hears of each value that was not found, and of each finding that is none */
export function scoresOn(
  texts: readonly Labelled[],
  missed: (what: string, text: string) => void = () => {},
): Record<PiiKind, Score> {
  const none = () => ({ labelled: 0, found: 0, wrong: 0 });
  const all = Object.fromEntries(PII_KINDS.map((it) => [it, none()])) as Record<PiiKind, Score>;
  for (const { text, expected } of texts) {
    const findings = findingsIn(text);
    const spans = expected.map(({ kind, value }) => ({
      kind,
      start: text.indexOf(value),
      end: text.indexOf(value) + value.length,
    }));
    for (const { kind, start, end } of spans) {
      all[kind].labelled++;
      if (findings.some((it) => it.kind === kind && it.start <= start && it.end >= end)) all[kind].found++;
      else missed(`missed ${kind}`, text);
    }
    for (const { kind, start, end } of findings) {
      if (spans.some((it) => it.kind === kind && start < it.end && end > it.start)) continue;
      all[kind].wrong++;
      missed(`not a ${kind}`, text);
    }
  }
  return all;
}

export const sumOf = (scores: Record<PiiKind, Score>): Score =>
  Object.values(scores).reduce((a, b) => ({
    labelled: a.labelled + b.labelled,
    found: a.found + b.found,
    wrong: a.wrong + b.wrong,
  }));
export const recall = ({ labelled, found }: Score): number => found / labelled;
export const precision = ({ found, wrong }: Score): number => found / (found + wrong);
