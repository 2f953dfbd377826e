import { expect, test } from "vitest";
import { shareOf } from "./connection-share.ts";

const GUIDE = { max: 25, min: 5 };
const total = (share: ReturnType<typeof shareOf>) => share.runs.max + share.tools.max + (share.listen ? 1 : 0);

test("all connections of a pod together are what was asked for, where the login may have any number", () => {
  const share = shareOf(GUIDE, { limit: undefined, workers: 40 });
  expect(share).toEqual({ runs: { max: 18, min: 5 }, tools: { max: 6, min: 0 }, listen: true });
  expect(total(share)).toBe(25);
});

test.each([5, 10, 20, 50, 51, 200, 1000])(
  "pods never take more than the limit of %i together, and leave some",
  (limit) => {
    for (let workers = 1; workers <= limit; workers++) {
      const share = shareOf(GUIDE, { limit, workers });
      const keepsNone = share.runs.idleMs !== undefined;
      expect(keepsNone || total(share) * workers <= limit - 2).toBe(true);
      expect(share.runs.max).toBeGreaterThanOrEqual(1);
      expect(share.runs.min).toBeLessThanOrEqual(share.runs.max);
      expect(share.tools.max).toBeGreaterThanOrEqual(1);
    }
  },
);

test("with few connections a pod gives up listening, with fewer it keeps none", () => {
  expect(shareOf(GUIDE, { limit: 50, workers: 11 })).toMatchObject({ listen: true, runs: { max: 2 } });
  expect(shareOf(GUIDE, { limit: 50, workers: 15 })).toMatchObject({ listen: false, runs: { max: 2, min: 2 } });
  expect(shareOf(GUIDE, { limit: 50, workers: 40 })).toMatchObject({ listen: false, runs: { max: 1, min: 0 } });
});
