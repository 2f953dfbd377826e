import { expect, test } from "vitest";
import { PII_KINDS } from "../../../src/runtime/pii/finding.ts";
import { precision, recall, scoresOn, sumOf } from "../score.ts";
import { HELD_OUT_SEED, heldOutTexts } from "./texts.ts";

const texts = heldOutTexts(HELD_OUT_SEED);

test("the texts are the same for the same seed, hold their values, and are others for another", () => {
  expect(heldOutTexts(HELD_OUT_SEED)).toEqual(texts);
  expect(heldOutTexts(1)).not.toEqual(texts);
  for (const { text, expected } of texts) for (const { value } of expected) expect(text).toContain(value);
});

test("on texts that nobody tuned them on, the detectors stay as good as docs/security.md says", () => {
  const scores = scoresOn(texts);
  for (const kind of PII_KINDS) expect(scores[kind].labelled, kind).toBe(100);
  const all = sumOf(scores);
  expect(recall(all)).toBeGreaterThanOrEqual(0.97);
  expect(precision(all)).toBeGreaterThanOrEqual(0.99);
});
