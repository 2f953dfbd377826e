import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { LocalClusterError } from "./errors.ts";

/** A long-running program of the cluster. */
export interface Component {
  name: string;
  child: ChildProcess;
  logFile: string;
}

const logLines = 15;

/**
 * Starts a program with its output in a file. A detached one outlives this process; another one is this process's to stop.
 * The environment is given whole: what the caller's shell has set is not to reach the cluster.
 */
export function startComponent(
  name: string,
  command: string,
  args: string[],
  options: { logFile: string; env: NodeJS.ProcessEnv; detached: boolean },
): Component {
  const log = openSync(options.logFile, "a");
  try {
    const child = spawn(command, args, {
      cwd: "/",
      env: options.env,
      detached: options.detached,
      stdio: ["ignore", log, log],
    });
    child.on("error", () => {}); // seen by failIfEnded: there is no pid then
    if (options.detached) child.unref();
    return { name, child, logFile: options.logFile };
  } finally {
    closeSync(log);
  }
}

/** The end of a component's log, for a message. */
export async function logTail(component: Component): Promise<string> {
  const text = await readFile(component.logFile, "utf8").catch(() => "");
  return text.trimEnd().split("\n").slice(-logLines).join("\n");
}

/** Throws when the program has ended, with the end of its log: no use in waiting for it. */
export async function failIfEnded(component: Component): Promise<void> {
  const { child, name, logFile } = component;
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) return;
  const how = child.pid === undefined ? "can't be run" : `ended (${child.signalCode ?? child.exitCode})`;
  throw new LocalClusterError(`${name} ${how}; the end of ${logFile}:\n${await logTail(component)}`, { fatal: true });
}

/** Asks the program to end, and after `seconds` no longer asks. */
export async function stopComponent({ child }: Component, seconds = 5): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), seconds * 1000);
  await ended;
  clearTimeout(timer);
}
