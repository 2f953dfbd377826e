import { expect, test } from "vitest";
import { LocalClusterError } from "./errors.ts";
import { run, succeeds } from "./run.ts";
import { until } from "./wait.ts";

test("a program that fails is named, with the end of what it said", async () => {
  await expect(run("sh", ["-c", "echo it broke >&2; exit 3"])).rejects.toThrow(/sh -c .* failed \(3\):\nit broke/);
});

test("a program that isn't there is an error of the cluster's, not a crash", async () => {
  await expect(run("no-such-program", [])).rejects.toBeInstanceOf(LocalClusterError);
  expect(await succeeds("no-such-program", [])).toBe(false);
});

test("a program ends when the work is called off", async () => {
  const controller = new AbortController();
  const running = run("sleep", ["60"], { signal: controller.signal });
  controller.abort(new Error("called off"));
  await expect(running).rejects.toThrow("called off");
});

test("input reaches the program and lines are seen as they come", async () => {
  const lines: string[] = [];
  expect(await run("sh", ["-c", "cat; echo one >&2"], { input: "in", onLine: (line) => lines.push(line) })).toBe("in");
  expect(lines).toEqual(["one"]);
});

test("waiting in vain says what was waited for and what was seen last", async () => {
  const ask = async () => {
    throw new Error("connection refused");
  };
  await expect(until("the API", ask, { seconds: 0.05, everyMs: 10 })).rejects.toThrow(
    /the API; last seen: connection refused/,
  );
});
