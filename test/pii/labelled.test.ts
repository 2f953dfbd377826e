import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PII_KINDS } from "../../src/runtime/pii/finding.ts";
import { type Labelled, precision, recall, scoresOn, sumOf } from "./score.ts";

const read = (name: string): Labelled[] => JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), "utf8"));
const positives = read("positives");
const negatives = read("negatives");

describe("on the labelled set", () => {
  const byKind = scoresOn([...positives, ...negatives]);
  const total = sumOf(byKind);

  test("there are enough of both, and each text is there once", () => {
    expect(positives.length).toBeGreaterThanOrEqual(400);
    expect(negatives.length).toBeGreaterThanOrEqual(400);
    expect(positives.every(({ text, expected }) => expected.every((it) => text.includes(it.value)))).toBe(true);
  });
  test("look-alikes and what cannot be seen hide nothing", () => {
    const hasOthers = ({ text }: Labelled) => /[\u0400-\u06ff\u200b\uff00-\uffff]/.test(text);
    const scores = sumOf(scoresOn(positives.filter(hasOthers)));
    expect(scores.labelled).toBeGreaterThanOrEqual(6);
    expect(recall(scores)).toBe(1);
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
