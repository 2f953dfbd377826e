import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** After the start, so that it holds up neither the start nor the first answer. */
const AFTER_MS = 5000;

/**
 * What a start leaves behind (parsed modules, schemas that were compiled) is 15 MiB that an idle process would keep for good: V8 collects
 * when it allocates, and an idle agent hardly does. Collected once, it stays away; it takes about 30 ms.
 */
export function collectStartupGarbage(): void {
  setTimeout(() => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as (options: object) => void;
    setFlagsFromString("--no-expose-gc");
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
  }, AFTER_MS).unref();
}
