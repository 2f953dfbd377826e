import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { identify, isAlive, signal, startTime } from "./process-identity.ts";

test("the start time is read past a name with spaces and parentheses", () => {
  const rest = Array.from({ length: 30 }, (_, i) => (i === 0 ? "S" : String(i + 3)));
  expect(startTime(`12 (a) (b c) ${rest.join(" ")}`)).toBe("22");
  expect(startTime(`12 (a) ${["Z", ...rest.slice(1)].join(" ")}`)).toBeUndefined();
});

test("a number that another process has got since isn't the process any more", {
  skip: process.platform !== "linux",
}, async () => {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const known = await identify(child.pid!);
  expect(known && (await isAlive(known))).toBe(true);
  const other = { ...known!, started: "1" };
  expect(await isAlive(other)).toBe(false);
  expect(await signal(other, "SIGKILL")).toBe(false);
  expect(await signal({ ...known!, boot: "another" }, "SIGKILL")).toBe(false);
  expect(await signal(known!, "SIGKILL")).toBe(true);
  await once(child, "close");
  expect(await isAlive(known!)).toBe(false);
});
