import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as errors from "./errors.ts";

const { DatabaseError, databaseError, StaleEpoch } = errors;

const failure = (code: string | undefined, message = "what the server said") =>
  Object.assign(new Error(message), { code });

test.each([
  ["ECONNREFUSED", "DatabaseUnreachable"],
  ["EAI_AGAIN", "DatabaseUnreachable"],
  ["57P01", "DatabaseUnreachable"],
  ["57P03", "DatabaseUnreachable"],
  ["08006", "DatabaseUnreachable"],
  ["53300", "DatabaseConnectionsExhausted"],
  ["53100", "DatabaseFull"],
  ["53200", "DatabaseResourcesExhausted"],
  ["25006", "DatabaseReadOnly"],
  ["25P03", "DatabaseUnreachable"],
  [undefined, "DatabaseUnreachable"],
  ["28P01", "DatabaseAuthenticationFailed"],
  ["28000", "DatabaseAuthenticationFailed"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "DatabaseTlsFailed"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "DatabaseTlsFailed"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "DatabaseTlsFailed"],
  ["CERT_HAS_EXPIRED", "DatabaseTlsFailed"],
  ["EPROTO", "DatabaseTlsFailed"],
  ["26000", "DatabasePoolerUnexpected"],
  ["42P05", "DatabasePoolerUnexpected"],
  ["3D000", "DatabaseMissing"],
  ["42501", "InsufficientPrivilege"],
  ["55P03", "DatabaseBusy"],
  ["40P01", "DatabaseBusy"],
  ["57014", "DatabaseBusy"],
  ["2BP01", "DependentObjectsRemain"],
  ["42601", "DatabaseError"],
])("code %s is a %s", (code, name) => {
  const error = databaseError(failure(code), "a test");
  expect(error).toMatchObject({ name, reason: name, code });
  expect(error.message).toContain("a test failed");
});

test("an error keeps its cause, is classified once, and shows no secret", () => {
  const cause = failure("42601", "syntax error at SCRAM-SHA-256$4096:c2FsdA==$a:b and postgres://me:hunter2@db/x");
  const error = databaseError(cause, "a test");
  expect(error.cause).toBe(cause);
  expect(databaseError(error, "something else")).toBe(error);
  expect(error.message).not.toMatch(/hunter2|c2FsdA/);
});

test("a fault of the program is no outage", () => {
  expect(databaseError(new TypeError("values is not iterable"), "a test")).not.toBeInstanceOf(errors.DatabaseOutage);
  expect(databaseError(new Error("Connection terminated unexpectedly"), "a test")).toBeInstanceOf(
    errors.DatabaseOutage,
  );
});

test("only errors that time can heal say so", () => {
  expect(new DatabaseError("x").retryable).toBe(true);
  expect(new StaleEpoch("x").retryable).toBe(false);
});

test("the runbook says of every reason what to do", () => {
  const runbook = readFileSync("docs/operations.md", "utf8");
  const rows = runbook.split("\n").filter((line) => line.startsWith("|"));
  const reasons = Object.entries(errors)
    .filter(([, it]) => it === DatabaseError || (it as { prototype?: unknown }).prototype instanceof DatabaseError)
    .map(([name]) => name)
    .filter((name) => name !== "DatabaseOutage"); // what others are made from: nothing is thrown as one
  expect(reasons.length).toBeGreaterThan(20);
  expect(reasons.filter((reason) => !rows.some((row) => row.includes(`\`${reason}\``)))).toEqual([]);
});
