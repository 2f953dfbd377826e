import { readFileSync, readdirSync } from "node:fs";

/** Clock ticks a second in /proc: USER_HZ, 100 on every Linux that Node runs on. */
const TICKS = 100;

const stat = (pid: number): string[] => {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" "); // from field 3 on: a program's name may hold anything
};

/** Seconds of CPU that a process has used so far, in user and kernel mode. */
export const cpuSeconds = (pid: number): number => (Number(stat(pid)[11]) + Number(stat(pid)[12])) / TICKS;

/** Resident memory of a process in MiB: now, and at its highest. */
export function memoryMiB(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
  return { now: field("VmRSS"), peak: field("VmHWM") };
}

/** The pid of the child of this process that runs `program`. */
export function childPid(program: string): number {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const found = pids.map(Number).find((pid) => {
    try {
      const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
      return Number(stat(pid)[1]) === process.pid && program.startsWith(name); // the kernel keeps 15 characters
    } catch {
      return false; // it has just ended
    }
  });
  if (found === undefined) throw new Error(`${program} is not running`);
  return found;
}
