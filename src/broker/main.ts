import { ConfigError } from "../runtime/config.ts";
import { askedToEnd, type ExitCode, lastWords } from "../runtime/process-end.ts";
import { keepMemoryOutOfCoreDumps } from "../telemetry/core-dumps.ts";
import { createLogger } from "../telemetry/log.ts";
import { startBroker } from "./broker.ts";
import { loadBrokerSettings } from "./config.ts";

/** The program `agentpg broker`: serves until it is asked to end, then drains. Gives the exit code. */
export async function runBroker(env: Record<string, string | undefined> = process.env): Promise<ExitCode> {
  keepMemoryOutOfCoreDumps();
  const log = createLogger("agentpg-broker", env["AGENTPG_LOG_LEVEL"] || "info");
  const end = askedToEnd();
  try {
    const first = await Promise.race([startBroker(await loadBrokerSettings(env), log), end]);
    if (typeof first === "string") return 0;
    const signal = await end;
    log.info({ signal }, "draining");
    await first.stop();
    log.info("bye");
    return 0;
  } catch (error) {
    const wrong = error instanceof ConfigError;
    log.fatal({ err: error as Error }, wrong ? "the configuration does not work" : "the key broker could not start");
    if (!wrong) return 1;
    await lastWords(env, error.message);
    return 2;
  }
}
