import { Agent, request } from "node:http";
import { expect, test } from "vitest";
import { listen } from "./listen.ts";

/** What an answer says of its connection. */
const kept = (port: number, agent: Agent | false = new Agent({ keepAlive: true })): Promise<unknown[]> =>
  new Promise((resolve, reject) => {
    const asked = request({ port, agent }, (response) => {
      response.resume();
      resolve([response.headers.connection, response.headers["keep-alive"]]);
    });
    asked.on("error", reject).end();
  });

test("callers let go of idle connections before a pod that leaves closes them, and of all that are in use when it leaves", async () => {
  const api = await listen((_request, response) => void response.end("ok"), 0, "127.0.0.1", 5);
  expect(await kept(api.port)).toEqual(["keep-alive", "timeout=4"]);
  expect(await kept(api.port, false)).toEqual(["close", undefined]);
  api.leave();
  expect(await kept(api.port)).toEqual(["close", undefined]);
  await api.close(0);
});

test("one that has no time to leave keeps connections as long as Node does", async () => {
  const api = await listen((_request, response) => void response.end("ok"), 0, "127.0.0.1");
  expect(await kept(api.port)).toEqual(["keep-alive", "timeout=75"]);
  await api.close(0);
});
