// The agent of the chaos test: the runtime as it is, but its http tools reach the ledger of this machine, which is no public address.
import { readEnvironment, loadConfig } from "../../src/runtime/config.ts";
import { startRuntime } from "../../src/runtime/runtime.ts";
import { createLogger } from "../../src/telemetry/log.ts";

const { ca, port } = JSON.parse(process.env.CHAOS_LEDGER ?? "{}") as { ca: string; port: number };
const network = {
  ca,
  port,
  resolve: async () => [{ address: "127.0.0.1", family: 4 }],
  isAllowedAddress: (address: string) => address.endsWith("127.0.0.1"),
};
const log = createLogger("agentpg-runtime", readEnvironment(process.env).AGENTPG_LOG_LEVEL);
const runtime = await startRuntime(await loadConfig(process.env), { log, network });
process.once("SIGTERM", () => void runtime.stop().then(() => process.exit(0)));
