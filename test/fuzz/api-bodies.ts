import type { Request } from "express";
import { bodyOf, queryOf } from "../../src/runtime/http/input.ts";
import { jsonErrorPosition } from "../../src/runtime/http/json-position.ts";
import { Problem } from "../../src/runtime/http/problems.ts";
import { decision, newRun, newSession, sessionChange } from "../../src/runtime/http/schemas.ts";
import type { Random } from "../support/random.ts";
import type { Target } from "./target.ts";
import { mutated, randomJson } from "./values.ts";

const SCHEMAS = [newSession, sessionChange, newRun, decision];
const NAMES = ["metadata", "message", "variables", "approve", "reason", "a"];
const GOOD = [
  '{"message":"Where is order 1042?","variables":{"customerId":7}}',
  '{"metadata":{"channel":"web","a":null}}',
  '{"approve":false,"reason":"not now"}',
  "{}",
];
/** Stands in places that a problem has no reason to repeat. */
const PLANTED = "PLANTED-VALUE-0123456789";

function bodyText(random: Random): string {
  const kind = random.next();
  if (kind < 0.35) return mutated(random, random.pick(GOOD), GOOD);
  if (kind < 0.45) return random.pick(GOOD);
  const value = randomJson(random, NAMES);
  if (kind < 0.6 && typeof value === "object" && value !== null)
    return JSON.stringify({ ...value, message: [PLANTED] });
  return JSON.stringify(value);
}

function checkedProblem(error: unknown): string {
  if (!(error instanceof Problem) || ![400, 422].includes(error.status)) throw error;
  const said = JSON.stringify(error.document);
  if (said.includes(PLANTED)) throw new Error(`a problem repeats what was sent: ${said}`);
  if (said.length > 2000) throw new Error(`a problem of ${said.length} characters`);
  if (!error.more.field) throw new Error(`a problem that names no field: ${said}`);
  return "refused";
}

/** Bodies and queries of the HTTP API: each is taken, or refused with a problem that names the field and repeats nothing. */
export function apiBodyTarget(): Target {
  return {
    name: "API bodies",
    feed(random) {
      const text = bodyText(random);
      let body: unknown;
      try {
        body = JSON.parse(text);
      } catch {
        const at = jsonErrorPosition(text);
        if (at === undefined || at < 0 || at > text.length)
          throw new Error(`not JSON at ${String(at)} of ${text.length}`);
        return "no JSON";
      }
      try {
        const schema = random.pick(SCHEMAS);
        if (random.next() < 0.8) bodyOf(schema, { body } as Request);
        else queryOf(schema, { query: body } as Request);
        return "taken";
      } catch (error) {
        return checkedProblem(error);
      }
    },
    expected: ["taken", "refused", "no JSON"],
    close: () => {},
  };
}
