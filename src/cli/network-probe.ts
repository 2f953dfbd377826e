import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Dialled } from "../operator/network/probe/verdict.ts";

/** A network plugin may need seconds for a new pod: what counts is what the last attempts see. */
const ATTEMPTS = 8;
const LAST = 3;
const EVERY_MS = 1_000;
const CONNECT_MS = 1_500;

export interface DialPace {
  attempts: number;
  everyMs: number;
}

/** Takes connections and closes them, on all addresses; resolves with the port when it does. */
export function listen(port: number): Promise<{ port: number; close(): void }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end();
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, () => {
      const address = server.address();
      resolve({ port: typeof address === "object" && address ? address.port : port, close: () => server.close() });
    });
  });
}

function reaches(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (reached: boolean) => {
      socket.destroy();
      resolve(reached);
    };
    socket.setTimeout(CONNECT_MS, () => done(false));
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}

/** `NAME=ADDRESS:PORT`, IPv6 in brackets. @throws Error that says so */
export function parseTarget(text: string): { name: string; host: string; port: number } {
  const {
    name,
    ipv6,
    host = ipv6,
    port,
  } = /^(?<name>[a-z]+)=(?:\[(?<ipv6>[0-9a-fA-F:.]+)\]|(?<host>[^:]+)):(?<port>\d+)$/.exec(text)?.groups ?? {};
  if (name === undefined || host === undefined || port === undefined)
    throw new Error(`${text} is no target: give NAME=ADDRESS:PORT, an IPv6 address in brackets`);
  return { name, host, port: Number(port) };
}

/** Connects to each target again and again, all at once, and tells which the last attempts reached. */
export async function dial(
  targets: readonly string[],
  { attempts, everyMs }: DialPace = { attempts: ATTEMPTS, everyMs: EVERY_MS },
): Promise<Dialled> {
  const one = async ({ name, host, port }: ReturnType<typeof parseTarget>) => {
    const seen: boolean[] = [];
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await sleep(everyMs);
      seen.push(await reaches(host, port));
    }
    return [name, seen.slice(-LAST).includes(true) ? "connected" : "unreachable"] as const;
  };
  return Object.fromEntries(await Promise.all(targets.map(parseTarget).map(one)));
}

/** `agentpg network-probe`: what the pods of the operator's network probe run. Writes the result where Kubernetes reads it. */
export async function runNetworkProbe(action: string, rest: readonly string[]): Promise<void> {
  if (action === "dial") {
    const result = JSON.stringify(await dial(rest));
    writeFileSync("/dev/termination-log", result);
    console.log(result);
    return;
  }
  const server = await listen(Number(rest[0]));
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => server.close());
}
