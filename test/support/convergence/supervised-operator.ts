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
  #lifeBegan = 0;
  /** How its lives ended. */
  readonly ends: string[] = [];

  private constructor(args: string[], config: OperatorConfig) {
    this.#args = args;
    this.#config = config;
  }

  /** From its source, with a clock that SIGUSR2 shifts. */
  static in(folder: string, config: OperatorConfig, kubeconfig: string): Promise<SupervisedOperator> {
    const preload = `--import=${join(import.meta.dirname, "shift-clock.ts")}`;
    const program = [preload, "src/cli/main.ts", "operator"];
    return SupervisedOperator.running(folder, config, (file) => [
      ...program,
      "--config",
      file,
      "--kubeconfig",
      kubeconfig,
    ]);
  }

  /** @param args the arguments of node that run it, with the file of its configuration */
  static async running(
    folder: string,
    config: OperatorConfig,
    args: (file: string) => string[],
  ): Promise<SupervisedOperator> {
    const file = join(folder, "operator.json");
    await writeFile(file, JSON.stringify(config));
    return new SupervisedOperator(args(file), config);
  }

  start(): void {
    this.#wanted = true;
    this.#lifeBegan = this.output.length;
    const child = spawn(process.execPath, this.#args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    child.once("exit", (code, signal) => {
      this.ends.push(String(signal ?? code));
      if (this.#wanted) setTimeout(() => this.#wanted && this.start(), 100);
    });
  }

  /** Whether it leads, by what it said since it was last started. */
  get leads(): boolean {
    return this.output.includes("this process leads", this.#lifeBegan);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Killed, and not started again. */
  async kill(): Promise<void> {
    this.#wanted = false;
    await this.#die();
  }

  /** Killed, and started again a moment later. */
  async crash(): Promise<void> {
    await this.#die();
    this.#lifeBegan = this.output.length;
  }

  async #die(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "close"); // all that it said is in by then
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
    const [line] = await this.#samples(`${series} `);
    return line === undefined ? undefined : valueOf(line);
  }

  /** All samples that begin like this, added up. */
  async metricSum(beginning: string): Promise<number> {
    return (await this.#samples(beginning)).reduce((sum, line) => sum + valueOf(line), 0);
  }

  async #samples(beginning: string): Promise<string[]> {
    const text = await fetch(`http://127.0.0.1:${this.#config.metricsPort}/metrics`).then((it) => it.text());
    return text.split("\n").filter((it) => it.startsWith(beginning));
  }
}

const valueOf = (sample: string): number => Number(sample.split(" ").at(-1));
