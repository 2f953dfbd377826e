import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fairShare } from "./fair-share.ts";

const demand = fc.record({ running: fc.nat(50), waiting: fc.nat(1000) });
const want = ({ running, waiting }: { running: number; waiting: number }) => running + waiting;

test("everyone gets what they ask for while there is enough", () => {
  expect(fairShare({ running: 1, waiting: 4 }, [{ running: 5, waiting: 0 }], 10)).toBe(5);
});

test("one that floods leaves the others their share", () => {
  const [small, flood] = [
    { running: 0, waiting: 3 },
    { running: 10, waiting: 900 },
  ];
  expect(fairShare(small, [flood], 10)).toBe(3);
  expect(fairShare(flood, [small], 10)).toBe(7);
});

test("shares are never beyond the limit by more than one each, never beyond what is asked for, and equal for equals", () => {
  fc.assert(
    fc.property(fc.array(demand, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 100 }), (all, limit) => {
      const shares = all.map((own, i) => fairShare(own, all.toSpliced(i, 1), limit));
      for (const [i, share] of shares.entries()) {
        expect(share).toBeLessThanOrEqual(want(all[i] as never));
        const equals = shares.filter((_, j) => want(all[i] as never) === want(all[j] as never));
        expect(new Set(equals).size).toBe(1);
      }
      const atLeastOne = all.filter((it) => want(it) > 0).length;
      expect(shares.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(Math.max(limit, atLeastOne));
    }),
  );
});
