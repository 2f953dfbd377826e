import fc from "fast-check";
import { expect, test } from "vitest";
import { uuidv7 } from "../uuid.ts";
import { callSpanId, madeAt, runSpanId, within } from "./span-ids.ts";

const anId = fc.integer({ min: 0, max: 2 ** 47 }).map((at) => ({ at, id: uuidv7(at) }));

test("a run's span and that of the call that asked for it have ids of their own, and a run knows when it was made", () => {
  fc.assert(
    fc.property(anId, ({ at, id }) => {
      expect(runSpanId(id)).toMatch(/^[0-9a-f]{16}$/);
      expect(callSpanId(id)).toMatch(/^[0-9a-f]{16}$/);
      expect(callSpanId(id)).not.toBe(runSpanId(id));
      expect(callSpanId(id).slice(1)).toBe(runSpanId(id).slice(1));
      expect(madeAt(id)).toBe(at);
    }),
  );
});

test("another span's place keeps the trace and what was decided on it", () => {
  const trace = `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00`;
  expect(within(trace, "1".repeat(16))).toBe(`00-4bf92f3577b34da6a3ce929d0e0e4736-${"1".repeat(16)}-00`);
});
