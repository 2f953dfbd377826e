import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { findingsIn } from "./detect.ts";
import { PII_KINDS, type PiiKind } from "./finding.ts";

interface Labelled {
  text: string;
  expected: { kind: PiiKind; value: string }[];
}
const read = (name: string): Labelled[] =>
  JSON.parse(readFileSync(new URL(`../../../test/pii/${name}.json`, import.meta.url), "utf8"));
const positives = read("positives");
const negatives = read("negatives");

interface Score {
  labelled: number;
  /** Labelled values that a finding of their kind covers. */
  found: number;
  /** Findings that touch no labelled value of their kind. */
  wrong: number;
}

function scores(): Record<PiiKind, Score> {
  const all = Object.fromEntries(PII_KINDS.map((it) => [it, { labelled: 0, found: 0, wrong: 0 }])) as Record<
    PiiKind,
    Score
  >;
  for (const { text, expected } of [...positives, ...negatives]) {
    const findings = findingsIn(text);
    const spans = expected.map(({ kind, value }) => ({
      kind,
      start: text.indexOf(value),
      end: text.indexOf(value) + value.length,
    }));
    for (const { kind, start, end } of spans) {
      all[kind].labelled++;
      if (findings.some((it) => it.kind === kind && it.start <= start && it.end >= end)) all[kind].found++;
    }
    for (const { kind, start, end } of findings)
      if (!spans.some((it) => it.kind === kind && start < it.end && end > it.start)) all[kind].wrong++;
  }
  return all;
}

const recall = ({ labelled, found }: Score) => found / labelled;
const precision = ({ found, wrong }: Score) => found / (found + wrong);

describe("on the labelled set", () => {
  const byKind = scores();
  const total = Object.values(byKind).reduce((a, b) => ({
    labelled: a.labelled + b.labelled,
    found: a.found + b.found,
    wrong: a.wrong + b.wrong,
  }));

  test("there are enough of both, and each text is there once", () => {
    expect(positives.length).toBeGreaterThanOrEqual(400);
    expect(negatives.length).toBeGreaterThanOrEqual(400);
    expect(positives.every(({ text, expected }) => expected.every((it) => text.includes(it.value)))).toBe(true);
  });
  test("over all kinds, hardly anything is missed or taken for what it is not", () => {
    expect(precision(total)).toBeGreaterThanOrEqual(0.98);
    expect(recall(total)).toBeGreaterThanOrEqual(0.98);
  });
  test.each(PII_KINDS)("%s: precision and recall stay above their floors", (kind) => {
    expect(byKind[kind].labelled).toBeGreaterThanOrEqual(60);
    expect(precision(byKind[kind])).toBeGreaterThanOrEqual(0.95);
    expect(recall(byKind[kind])).toBeGreaterThanOrEqual(0.95);
  });
});
