import { expect, test } from "vitest";
import { silentLogger } from "../../telemetry/log.ts";
import { problemHandler } from "./problems.ts";
import { errorsAreRedacted } from "./redaction-proof.ts";

test("the error handler of the API keeps an error's inside", async () => {
  expect(await errorsAreRedacted(problemHandler(silentLogger))).toBe(true);
});

test.each([
  ["in the body", (error: Error) => ({ status: 500, body: { detail: error.message } })],
  ["as a stack", (error: Error) => ({ status: 500, body: { stack: error.stack } })],
  ["as an answer that is no error", () => ({ status: 200, body: {} })],
])("a handler that lets it out %s is found", async (_, answer) => {
  const leaking = await errorsAreRedacted((error, _req, res, _next) => {
    const { status, body } = answer(error);
    res.status(status).json(body);
  });
  expect(leaking).toBe(false);
});
