import { spawn } from "node:child_process";
import { join } from "node:path";
import type { SimulatedConfig } from "../simulated-claude/config.ts";
import { programEnvironment } from "../program-environment.ts";
import { Child } from "./child.ts";

export interface Endpoint {
  child: Child;
  url: string;
  configure(change: Partial<SimulatedConfig>): Promise<void>;
  stats(): Promise<Record<string, unknown>>;
}

/** The simulated Messages API in a process of its own. */
export async function startEndpoint(config: Partial<SimulatedConfig> = {}): Promise<Endpoint> {
  const env = { ...programEnvironment(), PORT: "0", CONFIG: JSON.stringify({ keepRequests: 0, rules: [], ...config }) };
  const child = new Child(
    spawn(process.execPath, [join(import.meta.dirname, "..", "simulated-claude", "main.ts")], { env }),
  );
  const url = /http:\S+/.exec(await child.line("simulated Claude on"))?.[0] as string;
  const call = async (path: string, body?: object): Promise<Record<string, unknown>> => {
    const init = body ? { method: "POST", body: JSON.stringify(body) } : {};
    const answer = await fetch(`${url}${path}`, init);
    if (!answer.ok) throw new Error(`the simulated endpoint: ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  };
  return {
    child,
    url,
    configure: async (change) => void (await call("/__config", change)),
    stats: () => call("/__stats"),
  };
}
