import { keepMemoryOutOfCoreDumps } from "../telemetry/core-dumps.ts";
import { createLogger } from "../telemetry/log.ts";
import { ConfigError, loadConfig } from "./config.ts";
import { askedToEnd, type ExitCode, lastWords } from "./process-end.ts";
import { startRuntime } from "./runtime.ts";
import { collectStartupGarbage } from "./startup-garbage.ts";

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
