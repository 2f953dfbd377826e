import type { AgentConfig } from "../../api/agent-config.ts";
import type { Rewrite } from "../../database/runs/compact-conversation.ts";
import type { ClaimedRun, Message, Tokens } from "../../database/runs/run.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { auditLine } from "../engine/audit.ts";
import type { Asker } from "../engine/call-budget.ts";
import type { RunChannel } from "../engine/events.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import type { ModelRequest } from "../model/client.ts";
import type { Entry } from "./protect.ts";

/** The work on a run, as far as it matters to compaction. */
export interface CompactedWork {
  readonly run: ClaimedRun;
  readonly messages: readonly Message[];
  readonly signal: AbortSignal;
  readonly channel: RunChannel;
  /** Adds what a call has cost that is no turn of the conversation. */
  spent(model: string, tokens: Tokens, batched?: boolean): void;
  /** Puts other messages in the place of the stored ones and of those here. @throws StopWork `lost` */
  rewrite(rewrite: Rewrite, messages: Message[], audit: ReturnType<typeof auditLine>[]): Promise<void>;
}

/** What compaction needs of the process around it. */
export interface CompactorHost {
  config: AgentConfig;
  log: Logger;
  metrics: RuntimeMetrics;
  request(messages: Message[]): ModelRequest;
  /** @throws when the API does not say */
  count(request: ModelRequest, signal: AbortSignal): Promise<number>;
  window(model: string): number | undefined;
  /** A model call beside the conversation, within the budget. @throws RunFailed, or the signal's reason */
  aside(request: ModelRequest, asker: Asker): Promise<ModelAnswer>;
  stored(sessionId: string): Promise<Entry[]>;
}
