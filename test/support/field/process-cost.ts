import { readdirSync, readFileSync } from "node:fs";

/** The kernel counts processor time in these, whatever its own clock is. */
const TICKS_A_SECOND = 100;
const PAGE_MIB = 4096 / 1024 / 1024;

/** The fields of /proc/PID/stat after the name, which may hold anything; undefined when the process has gone. */
function statOf(pid: number): number[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text
      .slice(text.lastIndexOf(")") + 4)
      .split(" ")
      .map(Number);
  } catch {
    return undefined;
  }
}

/** Processor time of a process so far, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = statOf(pid);
  return stat ? ((stat[10] ?? 0) + (stat[11] ?? 0)) / TICKS_A_SECOND : 0;
}

/** Processor time of a server with its children, those that have ended among them, in seconds. */
export function cpuSecondsOfTree(pid: number): number {
  const own = statOf(pid);
  const ended = own ? ((own[12] ?? 0) + (own[13] ?? 0)) / TICKS_A_SECOND : 0;
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => statOf(child)?.[0] === pid);
  return cpuSeconds(pid) + ended + children.reduce((sum, child) => sum + cpuSeconds(child), 0);
}

/** Resident memory of a process, in MiB. */
export function residentMiB(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_MIB;
  } catch {
    return 0;
  }
}
