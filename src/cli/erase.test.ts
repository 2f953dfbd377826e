import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { silentProgress } from "../telemetry/progress.ts";
import { type EraseWorld, eraseIn } from "./erase.ts";

const NOTHING = {
  sessions: 0,
  runs: 0,
  openRuns: 0,
  messages: 0,
  toolExecutions: 0,
  archivedMessages: 0,
  auditRows: 0,
};

/** An operator that counts so much of everybody, and what it was asked to do beyond counting. */
function anOperator(counted: object): EraseWorld & { erasures: object[] } {
  const erasures: object[] = [];
  return {
    erasures,
    async *ask(_operation, input) {
      if ("dryRun" in input) return yield { found: { ...NOTHING, atLeast: false, ...counted } };
      erasures.push(input);
      yield { erased: { sessionsLeft: 0 } };
    },
    user: async () => "jane@example.com",
    confirm: undefined,
    progress: silentProgress,
    print: () => {},
  };
}
const nan = { tenant: "acme", user: "nan@example.com", yes: true };

test("a user of whom nothing is there is taken for a slip of the pen: the error says what ids look like", async () => {
  const operator = anOperator({});
  await expect(eraseIn(operator, nan)).rejects.toThrow(
    /acme has nothing of user nan@example\.com.*`sub`.*system:serviceaccount:NAMESPACE:NAME.*--allow-empty/,
  );
  expect(operator.erasures).toEqual([]);
});

test("so is a session", async () => {
  const session = randomUUID();
  const refused = eraseIn(anOperator({}), { tenant: "acme", session, yes: true });
  await expect(refused).rejects.toThrow(`nothing of session ${session}. A session's id is a UUID`);
});

test.each([
  ["that may not be there", {}, { allowEmpty: true }],
  ["who is left in the audit log alone", { auditRows: 1 }, {}],
])("a user %s is erased", async (_who, counted, options) => {
  const operator = anOperator(counted);
  expect(await eraseIn(operator, { ...nan, ...options })).toBe(0);
  expect(operator.erasures).toHaveLength(1);
});

test("to count nothing is no failure", async () => {
  expect(await eraseIn(anOperator({}), { ...nan, dryRun: true })).toBe(0);
});
