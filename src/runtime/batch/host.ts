import type { AgentConfig } from "../../api/agent-config.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import type { Message } from "../../database/runs/run.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import type { ModelRequest } from "../model/client.ts";
import type { ModelHealth } from "../model/health.ts";
import type { BatchApi } from "../model/batch-api.ts";
import type { BatchSettings } from "./settings.ts";

/** What batches need of the process around them. */
export interface BatchHost {
  api: BatchApi;
  settings: BatchSettings;
  config: AgentConfig;
  db: AgentDatabase;
  log: Logger;
  metrics: RuntimeMetrics;
  health: ModelHealth;
  /** What the model is asked with this conversation. */
  request(messages: Message[]): ModelRequest;
  /** Whether there is a budget for a day or a month. */
  limited: boolean;
  refreshKey(): Promise<unknown>;
  /** Tells the agent's processes that there is work. */
  wake(): void;
}
