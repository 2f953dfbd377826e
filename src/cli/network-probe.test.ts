import { afterEach, expect, test } from "vitest";
import { dial, listen, parseTarget } from "./network-probe.ts";

const PACE = { attempts: 4, everyMs: 20 };
const open: { close(): void }[] = [];
afterEach(() => open.splice(0).forEach((it) => it.close()));
const listening = async (port = 0) => {
  const server = await listen(port);
  open.push(server);
  return server;
};

test("what listens is connected, what does not is unreachable", async () => {
  const { port } = await listening();
  const gone = await listen(0);
  gone.close();
  expect(await dial([`open=127.0.0.1:${port}`, `closed=127.0.0.1:${gone.port}`], PACE)).toEqual({
    open: "connected",
    closed: "unreachable",
  });
});

test("the last attempts count: who begins to listen late is connected, who was there at first is not", async () => {
  const early = await listen(0);
  const late = await listen(0);
  late.close();
  const result = dial([`early=127.0.0.1:${early.port}`, `late=127.0.0.1:${late.port}`], { attempts: 8, everyMs: 60 });
  setTimeout(() => early.close(), 30);
  setTimeout(() => void listening(late.port), 150);
  expect(await result).toEqual({ early: "unreachable", late: "connected" });
});

test("a target is a name, an address and a port", () => {
  expect(parseTarget("open=10.0.0.1:7000")).toEqual({ name: "open", host: "10.0.0.1", port: 7000 });
  expect(parseTarget("open=[fd00::1]:7000")).toEqual({ name: "open", host: "fd00::1", port: 7000 });
  for (const text of ["10.0.0.1:7000", "open=10.0.0.1", "open=fd00::1:7000", "open=:7000", ""])
    expect(() => parseTarget(text), text).toThrow("NAME=ADDRESS:PORT");
});
