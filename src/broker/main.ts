import { type ExitCode, serve } from "../runtime/process-end.ts";
import { keepMemoryOutOfCoreDumps } from "../process/core-dumps.ts";
import { createLogger } from "../telemetry/log.ts";
import { startBroker } from "./broker.ts";
import { loadBrokerSettings } from "./config.ts";

/** The program `agentpg broker`: serves until it is asked to end, then drains. Gives the exit code. */
export async function runBroker(env: Record<string, string | undefined> = process.env): Promise<ExitCode> {
  keepMemoryOutOfCoreDumps();
  const log = createLogger("agentpg-broker", env["AGENTPG_LOG_LEVEL"] || "info");
  const start = async () => startBroker(await loadBrokerSettings(env), log);
  return serve({ env, log, start, couldNotStart: "the key broker could not start" });
}
