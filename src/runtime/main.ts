import { keepMemoryOutOfCoreDumps } from "../process/core-dumps.ts";
import { createLogger } from "../telemetry/log.ts";
import { loadConfig } from "./config.ts";
import { type ExitCode, serve } from "./process-end.ts";
import { startRuntime } from "./runtime.ts";
import { collectStartupGarbage } from "../process/garbage.ts";

/** The program `agentpg runtime`: serves until it is asked to end, then drains. Gives the exit code. */
export async function runRuntime(env: Record<string, string | undefined> = process.env): Promise<ExitCode> {
  keepMemoryOutOfCoreDumps();
  const log = createLogger("agentpg-runtime", env.AGENTPG_LOG_LEVEL || "info");
  const start = async () => {
    const runtime = await startRuntime(await loadConfig(env), { log });
    collectStartupGarbage();
    return runtime;
  };
  return serve({ env, log, start, couldNotStart: "the agent could not start" });
}

if (import.meta.main) process.exit(await runRuntime());
