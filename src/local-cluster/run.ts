import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { LocalClusterError } from "./errors.ts";

export interface RunOptions {
  /** The whole environment; the caller's own unless given. */
  env?: NodeJS.ProcessEnv;
  /** `/` unless given: the caller's folder may be gone, or not be readable. */
  cwd?: string;
  /** Text for standard input. */
  input?: string;
  /** A file for standard input. */
  inputFile?: string;
  signal?: AbortSignal | undefined;
  /** Each line of standard error as it comes. */
  onLine?: (line: string) => void;
}

const tail = (text: string, lines: number) => text.trimEnd().split("\n").slice(-lines).join("\n");

/**
 * Runs a program to its end and gives its standard output.
 * Throws a LocalClusterError with the end of standard error when it fails or isn't there.
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(command, args, {
    cwd: options.cwd ?? "/",
    env: options.env ?? process.env,
    signal: options.signal,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err = (err + text).slice(-64_000);
    if (options.onLine) for (const line of text.split("\n")) if (line.trim()) options.onLine(line.trim());
  });
  child.stdin.on("error", () => {}); // a program that doesn't read its input ends before it is written
  if (options.inputFile !== undefined) createReadStream(options.inputFile).on("error", reject).pipe(child.stdin);
  else child.stdin.end(options.input ?? "");
  child.on("error", (cause) => {
    if (options.signal?.aborted) reject(options.signal.reason);
    else reject(new LocalClusterError(`${command} can't be run: ${cause.message}`, { cause }));
  });
  child.on("close", (code, signal) => {
    if (code === 0) resolve(out);
    else
      reject(
        new LocalClusterError(
          `${[command, ...args].join(" ").slice(0, 300)} failed (${signal ?? code}):\n${tail(err || out, 40)}`,
        ),
      );
  });
  return promise;
}

/** Whether a program runs and ends well. */
export async function succeeds(command: string, args: readonly string[], options: RunOptions = {}): Promise<boolean> {
  return run(command, args, options).then(
    () => true,
    () => false,
  );
}
