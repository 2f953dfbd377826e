import { readFile, readdir } from "node:fs/promises";

/**
 * A process, told apart from a later one with the same number: the kernel's start time (in clock ticks since boot)
 * and the boot's own id go with the pid.
 */
export interface ProcessIdentity {
  pid: number;
  started: string;
  boot: string;
}

const bootId = async () => (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();

/** Field 22 of proc(5)'s stat; the name in field 2 may hold spaces and parentheses. A zombie counts as gone. */
export function startTime(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? undefined : fields[19];
}

async function startTimeOf(pid: number): Promise<string | undefined> {
  return readFile(`/proc/${pid}/stat`, "utf8").then(startTime, () => undefined);
}

/** The identity of a living process, `undefined` when there is none with this number. Linux only. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const started = await startTimeOf(pid);
  return started === undefined ? undefined : { pid, started, boot: await bootId() };
}

export async function isAlive(known: ProcessIdentity): Promise<boolean> {
  return (await startTimeOf(known.pid)) === known.started && (await bootId()) === known.boot;
}

/** Sends a signal to exactly this process; false when it is gone. */
export async function signal(known: ProcessIdentity, name: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(known))) return false;
  try {
    return process.kill(known.pid, name);
  } catch {
    return false;
  }
}

/** The children of a process, its threads' included. */
export async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, "utf8").catch(() => "")),
  );
  return lists.flatMap((list) => list.split(" ").filter(Boolean).map(Number));
}
