import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Outage } from "./outage.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const down = new Error("no connection");
/** An outage; `ask` says how often the server was asked, and is answered by hand. */
function anOutage(room?: number) {
  const outage = new Outage(room);
  const asked: PromiseWithResolvers<void>[] = [];
  const ask = () => {
    const answer = Promise.withResolvers<void>();
    asked.push(answer);
    return answer.promise;
  };
  const call = () =>
    outage
      .over(ask)
      .then(() => "goes on")
      .catch((error: Error) => {
        outage.begin(error);
        return error.message;
      });
  return { outage, asked, call };
}

test("a server that is there is never asked", async () => {
  const { asked, call } = anOutage();
  expect(await call()).toBe("goes on");
  expect(asked).toHaveLength(0);
});

test("a short break: all wait for one answer, and go on", async () => {
  const { outage, asked, call } = anOutage();
  outage.begin(down);
  const calls = [call(), call(), call()];
  asked[0]?.resolve();
  expect(await Promise.all(calls)).toEqual(["goes on", "goes on", "goes on"]);
  expect(asked).toHaveLength(1);
  expect(outage.isThere).toBe(false);
});

test("a long one: one asks, the others are told at once, and nobody asks again for a second", async () => {
  const { outage, asked, call } = anOutage();
  outage.begin(down);
  vi.advanceTimersByTime(2_000);
  const asking = call();
  expect(await call()).toBe("no connection");
  asked[0]?.reject(new Error("still no connection"));
  expect(await asking).toBe("still no connection");
  expect(await call()).toBe("still no connection");
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(1_100);
  const again = call();
  asked[1]?.resolve();
  expect(await again).toBe("goes on");
  expect(outage.isThere).toBe(false);
});

test("a call beyond the room waits for another to end", async () => {
  const { outage, asked, call } = anOutage(2);
  const pending = Array.from({ length: 2 }, () => Promise.withResolvers<void>());
  const calls = pending.map((it) => outage.during(() => it.promise));
  const next = call();
  vi.advanceTimersByTime(4_000);
  pending[0]?.resolve();
  await calls[0];
  expect(await next).toBe("goes on");
  expect(asked).toHaveLength(0);
});

test("where none ends for five seconds the server is asked: one that is there is given more, one that is not fails the call", async () => {
  const { outage, asked, call } = anOutage(2);
  for (let n = 0; n < 2; n++) void outage.during(() => new Promise(() => {}));
  const slow = call();
  await vi.advanceTimersByTimeAsync(5_100);
  expect(asked).toHaveLength(1);
  asked[0]?.resolve();
  expect(await slow).toBe("goes on");
  const hung = call();
  expect(asked).toHaveLength(2);
  asked[1]?.reject(new Error("no answer"));
  expect(await hung).toBe("no answer");
});
