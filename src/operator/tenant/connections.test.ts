import fc from "fast-check";
import { expect, test } from "vitest";
import { COMFORTABLE_SHARE, fairShare, limitFor } from "../../api/connection-share.ts";
import { connectionsOutcome } from "./connections.ts";

const need = (more: object = {}) => ({ limit: 50, pods: 10, isPooled: false, ...more });
const before = { status: "False" as const };

test("nothing is said of a limit that is enough, unless it was not before", () => {
  expect(connectionsOutcome(need(), undefined)).toBeUndefined();
  expect(connectionsOutcome(need(), before)).toMatchObject({ status: "True", reason: "Enough" });
  expect(connectionsOutcome(need({ limit: 2, pods: 0 }), undefined)).toBeUndefined();
  expect(connectionsOutcome(need({ limit: 2, pods: 1 }), undefined)).toMatchObject({ reason: "LimitTooSmall" });
});

test("of a limit that is not enough it is said what comes of it and what would be, and the Tenant is Ready all the same", () => {
  expect(connectionsOutcome(need({ pods: 12 }), undefined)).toMatchObject({
    status: "False",
    reason: "LimitTight",
    message: expect.stringContaining("is 50, for 12 pods: they find what other agents ask of them about a second late"),
    tolerable: true,
  });
  expect(connectionsOutcome(need({ pods: 22 }), undefined)).toMatchObject({ reason: "LimitTight" });
  expect(connectionsOutcome(need({ pods: 23 }), undefined)).toMatchObject({ reason: "LimitTooSmall" });
  expect(connectionsOutcome(need({ pods: 30 }), before)).toMatchObject({
    reason: "LimitTooSmall",
    message: expect.stringContaining("raise it to 130 or more"),
    tolerable: true,
  });
});

test("behind a pooler the limit is the pooler's business", () => {
  expect(connectionsOutcome(need({ pods: 500, isPooled: true }), undefined)).toBeUndefined();
});

test("the limit that is advised is enough, and the smallest that is", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_000 }), (pods) => {
      const limit = limitFor(pods, COMFORTABLE_SHARE);
      expect(connectionsOutcome(need({ limit, pods }), undefined)).toBeUndefined();
      expect(fairShare(limit - 1, pods)).toBeLessThan(COMFORTABLE_SHARE);
    }),
  );
});
