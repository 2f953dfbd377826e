import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** A program under test: what it said last is kept, for the message when it ends too early. */
export class Child {
  readonly process: ChildProcess;
  #said = "";
  /** The first errors of its log. */
  readonly errors: string[] = [];

  constructor(child: ChildProcess) {
    this.process = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => this.#heard(String(chunk)));
  }

  #heard(text: string): void {
    this.#said = (this.#said + text).slice(-20_000);
    for (const line of text.split("\n"))
      if (/"level":"(error|fatal)"/.test(line) && this.errors.length < 20) this.errors.push(line);
  }

  get pid(): number {
    return this.process.pid as number;
  }

  get said(): string {
    return this.#said;
  }

  get gone(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** The first line that it says with this in it. @throws Error when it ends before, or says nothing for 30 s */
  async line(part: string): Promise<string> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const line = this.#said.split("\n").find((it) => it.includes(part));
      if (line) return line;
      if (this.gone || Date.now() > deadline) throw new Error(`a program did not start; it said last:\n${this.#said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.gone) return;
    const gone = once(this.process, "exit");
    this.process.kill(signal);
    await gone;
  }
}
