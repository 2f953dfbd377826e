import type { AgentConfig } from "../api/agent-config.ts";
import type { WorkerReport } from "../database/runs/workers.ts";
import type { Tools } from "./tools/registry.ts";

/** What no schema of a tool's input allows: all are of type object. */
const NO_INPUT = 0;

/** How many tools there are, and how many of them refuse what is no input. Tools of MCP servers come and go. */
class ToolProof {
  readonly #tools: Tools;
  #proof = { all: 0, refusing: 0 };

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  get proof(): { all: number; refusing: number } {
    if (this.#tools.size === this.#proof.all) return this.#proof;
    const refusing = [...this.#tools.values()].filter((tool) => tool.check(NO_INPUT) !== undefined).length;
    this.#proof = { all: this.#tools.size, refusing };
    return this.#proof;
  }
}

/** What this process proves of itself, for the operator's security checks; asked with every heartbeat. */
export function securityReport(
  agent: AgentConfig,
  config: string,
  tools: Tools,
  errorsRedacted: () => boolean | null,
): () => NonNullable<WorkerReport["security"]> {
  const toolProof = new ToolProof(tools);
  const { runsPerMinute, concurrentRuns } = agent.tenantLimits;
  return () => ({
    config,
    tools: toolProof.proof,
    errorsRedacted: errorsRedacted(),
    limits: { runsPerMinute, concurrentRuns },
    encrypts: agent.encryptTranscripts,
    pii: agent.pii,
  });
}
