import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { LoginLimit } from "./login-limit.ts";
import { TimedCache } from "./timed-cache.ts";
import { Turns } from "./turns.ts";

test("an answer is believed for its time, asked for once by all who wait for it, and a failure is not kept", async () => {
  let now = 0;
  let asked = 0;
  const cache = new TimedCache<number>(10, 2, () => now);
  const ask = async () => ++asked;
  expect(await Promise.all([cache.get("a", ask), cache.get("a", ask)])).toEqual([1, 1]);
  now = 9;
  expect(await cache.get("a", ask)).toBe(1);
  now = 10;
  expect(await cache.get("a", ask)).toBe(2);
  await expect(cache.get("b", () => Promise.reject(new Error("not now")))).rejects.toThrow("not now");
  expect(await cache.get("b", ask)).toBe(3);
  await cache.get("c", ask); // one too many: the oldest goes
  expect(await cache.get("a", ask)).toBe(5);
});

test("addresses are held back by what failed within a minute, alone and together", () => {
  let now = 0;
  const limit = new LoginLimit(2, 4, () => now);
  limit.failed("a");
  expect(limit.blockedFor("a")).toBeUndefined();
  limit.failed("a");
  now = 15_000;
  expect(limit.blockedFor("a")).toBe(45);
  expect(limit.blockedFor("b")).toBeUndefined();
  limit.failed("b");
  limit.failed("c");
  expect(limit.blockedFor("d")).toBe(45);
  now = 60_000;
  expect(limit.blockedFor("a")).toBeUndefined();
});

test("so many work at once, the others take turns, and one too many is told to come again", async () => {
  const turns = new Turns(2, 1);
  let [atWork, most] = [0, 0];
  const work = async () => {
    most = Math.max(most, ++atWork);
    await sleep(5);
    atWork--;
  };
  const [a, b, c] = [turns.take(work), turns.take(work), turns.take(work)];
  await expect(turns.take(work)).rejects.toMatchObject({ status: 503, code: "busy" });
  await Promise.all([a, b, c]);
  await expect(turns.take(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  await Promise.all([turns.take(work), turns.take(work)]);
  expect(most).toBe(2);
});
