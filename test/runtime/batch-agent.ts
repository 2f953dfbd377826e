// The runtime as it is, but its batches go by the seconds that BATCH_SETTINGS has instead of minutes.
import { loadConfig } from "../../src/runtime/config.ts";
import { startRuntime } from "../../src/runtime/runtime.ts";
import { createLogger } from "../../src/telemetry/log.ts";

await startRuntime(await loadConfig(process.env), {
  log: createLogger("agentpg-runtime", "info"),
  batch: JSON.parse(process.env.BATCH_SETTINGS ?? "{}"),
  pollMs: 100,
});
