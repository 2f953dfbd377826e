import { writeFile } from "node:fs/promises";
import type { Logger } from "../telemetry/log.ts";
import { scrubText } from "../telemetry/scrub.ts";
import { ConfigError } from "./config.ts";

/** 0: ended as asked · 1: a fault, or it has to be started anew · 2: the configuration has to be changed. */
export type ExitCode = 0 | 1 | 2;

interface Program {
  env: Record<string, string | undefined>;
  log: Logger;
  /** `overtaken` resolves, with why, when the process has to be started anew. @throws ConfigError when the configuration has to be changed */
  start(): Promise<{ stop(): Promise<void>; overtaken: Promise<Error> }>;
  /** What is logged when `start` fails for another reason. */
  couldNotStart: string;
}

/** Serves until it is asked to end or is overtaken, then drains. Gives the exit code. */
export async function serve({ env, log, start, couldNotStart }: Program): Promise<ExitCode> {
  const end = askedToEnd();
  try {
    // Asked to end before it has begun: there is nothing to drain.
    const first = await Promise.race([start(), end]);
    if (typeof first === "string") return 0;
    const why = await Promise.race([end, first.overtaken]);
    if (typeof why === "string") log.info({ signal: why }, "draining");
    else log.warn({ err: why }, "this process has to be started anew: draining");
    await first.stop();
    log.info("bye");
    if (typeof why === "string") return 0;
    await lastWords(env, why.message);
    return 1;
  } catch (error) {
    const wrong = error instanceof ConfigError;
    log.fatal({ err: error as Error }, wrong ? "the configuration does not work" : couldNotStart);
    if (!wrong) return 1;
    await lastWords(env, error.message);
    return 2;
  }
}

/** Resolves with the first SIGTERM or SIGINT; a second one ends the process at once. */
function askedToEnd(): Promise<NodeJS.Signals> {
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
async function lastWords(env: Record<string, string | undefined>, message: string): Promise<void> {
  const path = env.AGENTPG_TERMINATION_LOG || "/dev/termination-log";
  await writeFile(path, scrubText(message).slice(0, 2000), { flag: "r+" }).catch(() => {});
}
