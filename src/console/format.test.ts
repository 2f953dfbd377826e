import { expect, test } from "vitest";
import { ago, moment, spaced, usd } from "./format.ts";

test.each([
  [0, "$0"],
  ["0.00000500", "< $0.0001"],
  ["0.01230000", "$0.0123"],
  ["0.5", "$0.50"],
  ["1234.5678", "$1,234.57"],
])("%s is shown as %s", (value, shown) => expect(usd(value)).toBe(shown));

test.each([
  ["DatabaseReady", "Database ready"],
  ["NoCredentialInSpec", "No credential in spec"],
  ["DatabaseTLS", "Database TLS"],
  ["PiiPolicy", "PII policy"],
  ["TlsMinimum", "TLS minimum"],
  ["Ready", "Ready"],
])("%s is written as %s", (name, shown) => expect(spaced(name)).toBe(shown));

test("times are told from now, and one that no calendar has is told as such", () => {
  const now = Date.parse("2026-11-28T12:00:00Z");
  expect(ago("2026-11-28T11:57:00Z", now)).toBe("3 minutes ago");
  expect(ago("2026-11-28T14:00:00Z", now)).toBe("in 2 hours");
  expect(ago("2026-11-27T11:00:00Z", now)).toBe("yesterday");
  expect(ago("", now)).toBe("at an unknown time");
  expect(moment("")).toBe("at an unknown time");
});
