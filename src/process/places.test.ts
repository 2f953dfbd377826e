import { expect, test } from "vitest";
import { Places } from "./places.ts";

test("places are given in turn; who gives up the wait takes none, and who fails gives it back", async () => {
  const places = new Places(1);
  const order: string[] = [];
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const first = places.with(() => held);
  const leaving = new AbortController();
  const left = places.with(async () => void order.push("left"), leaving.signal);
  const failed = places.with(async () => {
    order.push("failed");
    throw new Error("planted");
  });
  const last = places.with(async () => order.push("last"), new AbortController().signal);
  expect(places.waiting).toBe(3);
  leaving.abort(new Error("gave up"));
  expect(places.waiting).toBe(2);
  release();
  await first;
  await expect(left).rejects.toThrow("gave up");
  await expect(failed).rejects.toThrow("planted");
  await last;
  await expect(places.with(async () => order.push("too late"), leaving.signal)).rejects.toThrow("gave up");
  expect(order).toEqual(["failed", "last"]);
  expect(await places.with(async () => "free again")).toBe("free again");
});
