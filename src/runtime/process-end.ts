import { writeFile } from "node:fs/promises";
import { scrubText } from "../telemetry/scrub.ts";

/** 0: ended as asked · 1: a fault · 2: the configuration has to be changed. */
export type ExitCode = 0 | 1 | 2;

/** Resolves with the first SIGTERM or SIGINT; a second one ends the process at once. */
export function askedToEnd(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (asked) process.exit(1);
        asked = true;
        resolve(signal);
      });
    }
  });
}

/** Kubernetes takes a container's last words from here, and the operator shows an agent's in its conditions. Never made: it is there, or nobody reads it. */
export async function lastWords(env: Record<string, string | undefined>, message: string): Promise<void> {
  const path = env.AGENTPG_TERMINATION_LOG || "/dev/termination-log";
  await writeFile(path, scrubText(message).slice(0, 2000), { flag: "r+" }).catch(() => {});
}
