import { expect, test } from "vitest";
import type { BatchApi, BatchResult } from "../model/batch-api.ts";
import { BatchResults } from "./results.ts";

const tokens = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0 };
const answer = (text: string): BatchResult => ({
  kind: "succeeded",
  answer: { content: [{ type: "text", text }], stopReason: "end_turn", tokens },
});

test("of a batch that is larger than what is kept each run still finds its answer, and no more is read than it takes", async () => {
  let read = 0;
  const results = async function* (): AsyncGenerator<[string, BatchResult]> {
    for (let i = 0; i < 100_000; i++) {
      read++;
      yield [`run${i}`, answer("x".repeat(100))];
    }
  };
  const kept = new BatchResults({ results } as Partial<BatchApi> as BatchApi, 10_000);
  expect(await kept.of("b", "run3")).toMatchObject({ kind: "succeeded" });
  expect(read).toBeLessThan(100);
  expect(await kept.of("b", "run500")).toMatchObject({ kind: "succeeded" });
  expect(read).toBeLessThan(700);
  expect(await kept.of("b", "nobody")).toBeUndefined();
});
