import { type ChildProcess, spawn } from "node:child_process";
import { MAX_OUTPUT_BYTES, ToolError } from "../tool.ts";
import { PROGRAM_FOLDERS } from "./find-program.ts";

/** From a polite end to a sure one. */
const PATIENCE_MS = 2000;
/** What a process that left the group may keep its end of a pipe open. */
const PIPES_MS = 500;

export interface Program {
  file: string;
  args: string[];
  /** Where it runs. May be of /proc/self/fd: it is looked up before the program begins. */
  cwd: string;
  home: string;
}

export interface ProgramEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: Buffer;
  /** It was ended because it said more than may be kept. */
  flooded: boolean;
}

/** Ends all processes of the program's group. It may be gone already. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {}
}

/** Keeps what a program says, up to a limit for both of its outputs together; what is beyond is never held in memory. */
function collect(child: ChildProcess): { stdout: Buffer[]; stderr: Buffer[]; flooded: boolean } {
  const kept = { stdout: [] as Buffer[], stderr: [] as Buffer[], flooded: false };
  let room = MAX_OUTPUT_BYTES;
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.on("data", (chunk: Buffer) => {
      if (kept.flooded) return;
      kept[name].push(chunk.subarray(0, room));
      room -= chunk.length;
      if (room >= 0) return;
      kept.flooded = true;
      signalGroup(child, "SIGKILL");
    });
  }
  return kept;
}

const start = ({ file, args, cwd, home }: Program): ChildProcess =>
  spawn(file, args, {
    cwd,
    env: { PATH: PROGRAM_FOLDERS.join(":"), HOME: home, LANG: "C.UTF-8" },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // a group and session of its own
    shell: false,
  });

/**
 * Runs a program to its end, and ends all of its group with it.
 * @param signal ends it: SIGTERM, and SIGKILL two seconds later
 * @throws ToolError when it cannot be started
 */
export function runProgram(program: Program, signal: AbortSignal): Promise<ProgramEnd> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = start(program);
    const kept = collect(child);
    let killer: NodeJS.Timeout | undefined;
    const end = (): void => {
      signalGroup(child, "SIGTERM");
      killer = setTimeout(signalGroup, PATIENCE_MS, child, "SIGKILL");
    };
    signal.addEventListener("abort", end, { once: true });
    child.once("error", (cause) => {
      signal.removeEventListener("abort", end);
      reject(new ToolError("the program could not be started", { cause }));
    });
    child.once("exit", () => {
      signal.removeEventListener("abort", end);
      clearTimeout(killer);
      signalGroup(child, "SIGKILL"); // what it left behind
      setTimeout(() => [child.stdout, child.stderr].map((it) => it?.destroy()), PIPES_MS).unref();
    });
    child.once("close", (code, ended) =>
      resolve({
        code,
        signal: ended,
        stdout: Buffer.concat(kept.stdout),
        stderr: Buffer.concat(kept.stderr),
        flooded: kept.flooded,
      }),
    );
  });
}
