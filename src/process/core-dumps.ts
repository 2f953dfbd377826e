import { writeFileSync } from "node:fs";

/**
 * Keeps the memory of this process, and of those that it starts, out of core dumps (core(5)): keys and passwords are in it, and a dump may go
 * to a handler of the node. Registers and the list of mappings are still dumped. Where there is no such file, nothing happens.
 */
export function keepMemoryOutOfCoreDumps(): void {
  try {
    writeFileSync("/proc/self/coredump_filter", "0");
  } catch {}
}
