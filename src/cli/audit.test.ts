import { expect, test } from "vitest";
import { silentProgress } from "../telemetry/progress.ts";
import { type AuditOptions, auditVerifyIn } from "./audit.ts";

const point = (seq: number) => ({ seq, hash: "0".repeat(64) });
const whole = { uid: "u", rows: 7, start: point(0), head: point(7), anchor: null, faults: [], faultCount: 0 };
const broken = {
  ...whole,
  faults: [{ seq: 3, fault: "changed", message: "row 3 is not what was written" }],
  faultCount: 2,
};

async function run(answers: Record<string, object | Error>, options: Partial<AuditOptions> = {}) {
  const asked: object[] = [];
  const printed: string[] = [];
  const world = {
    async *ask(_operation: string, input: object) {
      asked.push(input);
      yield { progress: { rows: 1, of: 7 } };
      const answer = answers[(input as { tenant: string }).tenant];
      if (answer instanceof Error) throw answer;
      yield { verified: { tenant: (input as { tenant: string }).tenant, ...answer } };
    },
    tenants: async () => Object.keys(answers),
    progress: silentProgress,
    print: (text: string) => void printed.push(text),
  };
  const code = await auditVerifyIn(world, { output: "table", ...options });
  return { code, asked, printed };
}

test("every Tenant is verified, and one log that is not whole is exit code 1 with the row and why", async () => {
  const { code, printed } = await run({
    acme: whole,
    umbra: broken,
    zeta: new Error("the database cannot be reached"),
  });
  expect(code).toBe(1);
  expect(printed).toEqual([
    "acme: whole: 7 rows to row 7",
    "umbra: NOT WHOLE: 2 faults in 7 rows\n  row 3: changed: row 3 is not what was written\n  and 1 more",
    "zeta: not verified: the database cannot be reached",
  ]);
});

test("one log that is whole is exit code 0, as JSON for a program", async () => {
  const { code, asked, printed } = await run({ acme: whole }, { tenant: "acme", output: "json", sinceVerified: true });
  expect(code).toBe(0);
  expect(asked).toEqual([{ tenant: "acme", whole: false, anew: false }]);
  expect(JSON.parse(printed[0] ?? "")).toMatchObject({ tenant: "acme", faultCount: 0, head: { seq: 7 } });
});

test("a head that was kept elsewhere is handed on; one that is none is refused", async () => {
  const hash = "ab".repeat(32);
  const { asked } = await run({ acme: whole }, { tenant: "acme", expect: `7:${hash}` });
  expect(asked).toMatchObject([{ expected: { seq: 7, hash } }]);
  await expect(run({ acme: whole }, { tenant: "acme", expect: "7" })).rejects.toThrow("--expect is SEQ:HASH");
  await expect(run({ acme: whole }, { expect: `7:${hash}` })).rejects.toThrow("name it with --tenant");
});
