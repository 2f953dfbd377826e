import type { Endpoint } from "../../test/support/field/endpoint.ts";
import { PlainClient } from "./http-client.ts";

/** What the model calls alone cost on this machine: it says how far the ceilings below are a matter of the machine. */
export interface BareCalls {
  callsPerSecond: number;
  /** Milliseconds of a processor that the caller takes for each. */
  cpuMs: number;
}

const MESSAGES = [{ role: "user", content: [{ type: "text", text: "Say something." }] }];
const HEADERS = ["x-api-key: sk-ant-simulated", "anthropic-version: 2023-06-01"];

/** Streamed answers of the simulated endpoint, by the cheapest client there is. */
export async function measureBareCalls(endpoint: Endpoint, clients: number, seconds: number): Promise<BareCalls> {
  await endpoint.configure({ latencyMs: 0, chunkDelayMs: 0 });
  const body = JSON.stringify({ model: "claude-sonnet-5-5", max_tokens: 100, stream: true, messages: MESSAGES });
  let calls = 0;
  const before = process.cpuUsage();
  const started = performance.now();
  const until = started + seconds * 1000;
  const caller = async () => {
    const http = new PlainClient(endpoint.url, HEADERS);
    for (; performance.now() < until; calls++) {
      const answer = await http.request("POST", "/v1/messages", body);
      if (!answer.body.includes("message_stop")) throw new Error(`HTTP ${answer.status}: ${answer.body}`);
    }
    http.close();
  };
  await Promise.all(Array.from({ length: clients }, caller));
  const { user, system } = process.cpuUsage(before);
  return {
    callsPerSecond: (calls / (performance.now() - started)) * 1000,
    cpuMs: (user + system) / 1000 / calls,
  };
}
