import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AgentClient } from "../../src/runtime/client.ts";
import { programEnvironment } from "../support/program-environment.ts";
import type { World } from "./fixture.ts";

let count = 0;

/** An agent in a process of its own, which can be killed. */
export interface AgentProcess {
  child: ChildProcess;
  client: AgentClient;
  url: string;
  metricsUrl: string;
  /** Everything that it wrote. */
  output(): string;
  /** Ends it and gives the exit code or signal. */
  end(signal: NodeJS.Signals): Promise<number | string>;
}

export async function startProcess(
  world: World,
  change: Parameters<World["config"]>[0] = {},
  env: Record<string, string> = {},
  program: string[] = ["src/runtime/main.ts"],
): Promise<AgentProcess> {
  const path = join(world.folder, `agent-${++count}.json`);
  await writeFile(path, JSON.stringify(world.config(change)));
  const child = spawn(process.execPath, program, {
    env: { ...programEnvironment(), AGENTPG_CONFIG: path, ...world.environment(env) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const heard = (chunk: unknown) => void (output += String(chunk));
  child.stdout.on("data", heard);
  child.stderr.on("data", heard);
  const deadline = Date.now() + 30_000;
  let ports: { port: number; metricsPort: number } | undefined;
  while (!ports) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error(`the agent did not start: ${output}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const line = output.split("\n").find((it) => it.includes("the agent is up"));
    if (line) ports = JSON.parse(line);
  }
  const url = `http://127.0.0.1:${ports.port}`;
  return {
    child,
    url,
    metricsUrl: `http://127.0.0.1:${ports.metricsPort}`,
    client: new AgentClient({ baseUrl: url, patience: { attempts: 0 } }),
    output: () => output,
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? String(child.signalCode);
      const gone = once(child, "exit");
      child.kill(signal);
      const [code, by] = await gone;
      return code ?? by;
    },
  };
}
