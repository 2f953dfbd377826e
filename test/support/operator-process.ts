import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OperatorConfig } from "../../src/operator/config.ts";

/** An operator in a process of its own, which can be killed at any moment. */
export interface OperatorProcess {
  /** Everything that it wrote. */
  output(): string;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
}

export async function startOperatorProcess(config: OperatorConfig, kubeconfig: string): Promise<OperatorProcess> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-operator-"));
  const file = join(folder, "operator.json");
  await writeFile(file, JSON.stringify(config));
  const args = ["src/cli/main.ts", "operator", "--config", file, "--kubeconfig", kubeconfig];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const heard = (chunk: unknown) => void (output += String(chunk));
  child.stdout.on("data", heard);
  child.stderr.on("data", heard);
  return {
    output: () => output,
    async kill() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
