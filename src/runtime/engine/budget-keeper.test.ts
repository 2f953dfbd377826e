import { describe, expect, it } from "vitest";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { BudgetKeeper } from "./budget-keeper.ts";

const { signal } = new AbortController();
const WORST = { usd: 0, tokens: 30 };

/** A keeper of 100 tokens a day. `spent` is what is written of them; `meanwhile` happens between a look and its answer. */
function keeperOf(spent = 0) {
  const books = { spent, meanwhile: () => {} };
  const client = {
    async query(text: string) {
      if (!text.includes("others_tokens")) return { rows: [] };
      const tokens = String(books.spent);
      await Promise.resolve();
      books.meanwhile();
      const none = { day_usd: "0", month_usd: "0", others_usd: "0", others_tokens: "0" };
      const row = { ...none, day_tokens: tokens, month_tokens: tokens };
      return {
        rows: [
          { scope: "tenant", ...row },
          { scope: "agent", ...row },
        ],
      };
    },
  };
  const db = { withConnection: (work: (it: unknown) => unknown) => work(client) } as unknown as AgentDatabase;
  const budgets = { budget: { perDay: { tokens: 100 } }, agentBudget: {} };
  return { books, keeper: new BudgetKeeper(db, budgets, "a", "w") };
}

describe("a worker's part of the budget", () => {
  it("has no room for what was written while it was looked up", async () => {
    const { keeper, books } = keeperOf();
    await keeper.reserve(WORST, signal, "r0");
    let started = 1;
    for (const run of ["r1", "r2", "r3", "r4"]) {
      keeper.answered(run, WORST, WORST); // as dear as feared
      books.meanwhile = () => {
        books.meanwhile = () => {};
        books.spent += WORST.tokens;
        keeper.written(run);
      };
      const goesOn = await keeper.reserve(WORST, signal, `after ${run}`).then(
        () => true,
        () => false,
      );
      if (!goesOn) break;
      started++;
    }
    expect(started).toBe(3);
    expect(books.spent).toBeLessThanOrEqual(90);
  });

  it("is refused at once to a run that has spent it itself, by an answer that broke off", async () => {
    const { keeper } = keeperOf();
    await keeper.reserve({ usd: 0, tokens: 80 }, signal, "r");
    keeper.answered("r", { usd: 0, tokens: 80 }, { usd: 0, tokens: 60 });
    const refused = keeper.reserve({ usd: 0, tokens: 80 }, AbortSignal.timeout(5000), "r");
    await expect(refused).rejects.toThrow("budget.perDay.tokens (100) would be exceeded");
  });
});
