import { expect, test } from "vitest";
import { nextConditions } from "./conditions.ts";

const ready = (status: "True" | "False", reason = "R") => ({ type: "Ready", status, reason, message: "m" });

test("the transition time moves only when the status does", () => {
  const first = nextConditions([], [ready("False")], 1, "t1");
  const second = nextConditions(first, [ready("False", "Other")], 2, "t2");
  const third = nextConditions(second, [ready("True")], 3, "t3");
  expect([first, second, third].map(([it]) => it?.lastTransitionTime)).toEqual(["t1", "t1", "t3"]);
  expect(second[0]).toMatchObject({ reason: "Other", observedGeneration: 2 });
});
