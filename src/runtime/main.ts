import { writeFile } from "node:fs/promises";
import { keepMemoryOutOfCoreDumps } from "../telemetry/core-dumps.ts";
import { createLogger } from "../telemetry/log.ts";
import { scrubText } from "../telemetry/scrub.ts";
import { ConfigError, loadConfig } from "./config.ts";
import { startRuntime } from "./runtime.ts";
import { collectStartupGarbage } from "./startup-garbage.ts";

/** 0: ended as asked · 1: a fault · 2: the configuration has to be changed. */
export type ExitCode = 0 | 1 | 2;

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

/** Kubernetes takes a container's last words from here, and the operator shows them in the Agent's conditions. Never made: it is there, or nobody reads it. */
async function lastWords(env: Record<string, string | undefined>, message: string): Promise<void> {
  const path = env.AGENTPG_TERMINATION_LOG || "/dev/termination-log";
  await writeFile(path, scrubText(message).slice(0, 2000), { flag: "r+" }).catch(() => {});
}

/** The program `agentpg runtime`: serves until it is asked to end, then drains. Gives the exit code. */
export async function runRuntime(env: Record<string, string | undefined> = process.env): Promise<ExitCode> {
  keepMemoryOutOfCoreDumps();
  const log = createLogger("agentpg-runtime", env.AGENTPG_LOG_LEVEL || "info");
  const end = askedToEnd();
  try {
    const config = await loadConfig(env);
    const started = startRuntime(config, { log });
    // Asked to end before it has begun: there is nothing to drain.
    const first = await Promise.race([started, end]);
    if (typeof first === "string") return 0;
    collectStartupGarbage();
    const signal = await end;
    log.info({ signal }, "draining");
    await first.stop();
    log.info("bye");
    return 0;
  } catch (error) {
    log.fatal(
      { err: error as Error },
      error instanceof ConfigError ? "the configuration does not work" : "the agent could not start",
    );
    if (!(error instanceof ConfigError)) return 1;
    await lastWords(env, error.message);
    return 2;
  }
}

if (import.meta.main) process.exit(await runRuntime());
