import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { Deadline } from "./deadline.ts";

test("it aborts when its time is over, and says so", async () => {
  const { signal } = new Deadline(5);
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve);
    setTimeout(resolve, 2_000); // its own timer keeps nothing running
  });
  expect(signal.reason).toMatchObject({ name: "TimeoutError", message: "no answer within 5 ms" });
});

test("it aborts with its parent, at once when that is aborted already", () => {
  const parent = new AbortController();
  const deadline = new Deadline(0, parent.signal);
  parent.abort(new Error("the operator ends"));
  expect(deadline.signal.reason).toBe(parent.signal.reason);
  expect(new Deadline(0, parent.signal).signal.aborted).toBe(true);
});

test("one that is over leaves nothing at its parent, which lives as long as the process", () => {
  const parent = new AbortController();
  const deadline = new Deadline(1_000, parent.signal);
  expect(getEventListeners(parent.signal, "abort")).toHaveLength(1);
  deadline.clear();
  expect(getEventListeners(parent.signal, "abort")).toHaveLength(0);
});

test("it tells whether a wait fits in", () => {
  const deadline = new Deadline(1_000);
  expect([deadline.isBefore(10), deadline.isBefore(1_001)]).toEqual([false, true]);
  deadline.clear();
});
