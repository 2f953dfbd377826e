import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { OperatorConfig } from "../../../src/operator/config.ts";

/** An operator in a process of its own that is started again whenever it ends, as a kubelet does. */
export class SupervisedOperator {
  readonly #args: string[];
  readonly #config: OperatorConfig;
  #child: ChildProcess | undefined;
  #wanted = false;
  /** All that it said, in all its lives. */
  output = "";
  /** How its lives ended. */
  readonly ends: string[] = [];

  private constructor(args: string[], config: OperatorConfig) {
    this.#args = args;
    this.#config = config;
  }

  static async in(folder: string, config: OperatorConfig, kubeconfig: string): Promise<SupervisedOperator> {
    const file = join(folder, "operator.json");
    await writeFile(file, JSON.stringify(config));
    const preload = `--import=${join(import.meta.dirname, "shift-clock.ts")}`;
    return new SupervisedOperator(
      [preload, "src/cli/main.ts", "operator", "--config", file, "--kubeconfig", kubeconfig],
      config,
    );
  }

  start(): void {
    this.#wanted = true;
    const child = spawn(process.execPath, this.#args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    child.once("exit", (code, signal) => {
      this.ends.push(String(signal ?? code));
      if (this.#wanted) setTimeout(() => this.#wanted && this.start(), 100);
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Killed, and not started again. */
  async kill(): Promise<void> {
    this.#wanted = false;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** The status of `/readyz`; 0 where nobody answers. */
  async readiness(): Promise<number> {
    return fetch(`http://127.0.0.1:${this.#config.healthPort}/readyz`).then(
      (it) => it.status,
      () => 0,
    );
  }

  /** The value of a metric, its labels included; undefined where there is none. */
  async metric(series: string): Promise<number | undefined> {
    const text = await fetch(`http://127.0.0.1:${this.#config.metricsPort}/metrics`).then((it) => it.text());
    const line = text.split("\n").find((it) => it.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }
}
