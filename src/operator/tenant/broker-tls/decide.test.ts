import { describe, expect, it } from "vitest";
import { ANNOUNCED_MINUTES, type Certificates, RENEW_DAYS, stepOf } from "./decide.ts";

const now = new Date("2026-11-28T12:00:00Z");
const inDays = (days: number) => new Date(now.getTime() + days * 86_400_000);
const minutesAgo = (minutes: number) => new Date(now.getTime() - minutes * 60_000);
const next = (minutes: number, end = inDays(89)) => ({ end, announcedAt: minutesAgo(minutes) });

describe("a broker's certificate", () => {
  it.each<[string, Certificates, ReturnType<typeof stepOf>]>([
    ["that is not there is made", { currentEnd: undefined, next: undefined }, "make"],
    ["that is over is made", { currentEnd: inDays(-1), next: undefined }, "make"],
    ["that is good for long is kept", { currentEnd: inDays(RENEW_DAYS + 1), next: undefined }, "keep"],
    [
      "that is to end gets a successor, which agents are told of first",
      { currentEnd: inDays(29), next: undefined },
      "announce",
    ],
    ["waits for agents to know its successor", { currentEnd: inDays(29), next: next(ANNOUNCED_MINUTES - 1) }, "keep"],
    ["gives way to a successor that agents know", { currentEnd: inDays(29), next: next(ANNOUNCED_MINUTES) }, "switch"],
    ["that is over gives way at once", { currentEnd: inDays(-1), next: next(1) }, "switch"],
    ["that is over, as is its successor, is made", { currentEnd: inDays(-1), next: next(1, inDays(-1)) }, "make"],
  ])("%s", (_what, certificates, step) => expect(stepOf(certificates, now)).toBe(step));
});
