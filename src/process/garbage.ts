import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Collects all garbage now and gives the memory back. V8 does so by itself only when it allocates, so that a process which has become
 * idle keeps for good what its work before left behind. Stops the process meanwhile: about 2 ms for each MiB that lives.
 */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: object) => void;
  setFlagsFromString("--no-expose-gc");
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}

/** After the start, so that it holds up neither the start nor the first answer. */
const AFTER_MS = 5000;

/** A start leaves 15 MiB behind (parsed modules, schemas that were compiled); to collect it takes about 30 ms. */
export function collectStartupGarbage(): void {
  setTimeout(collectGarbage, AFTER_MS).unref();
}
