import type { ApprovalDecision, ApprovalRequest, RunEvent } from "./events.ts";

/** What is known of the calls of a run that need a person. */
export interface ApprovalSource {
  /** Whether calls of this tool wait for a person. */
  asksFirst(tool: string): boolean;
  /** What of the run waits for a person. */
  approvals(runId: string): Promise<ApprovalRequest[]>;
  /** What was decided in the run. */
  decisions(runId: string): Promise<ApprovalDecision[]>;
}

/** What one listener is told of approvals: each request and each decision once, the decision before the call's result. */
export class ApprovalNews {
  readonly #source: ApprovalSource;
  readonly #runId: string;
  readonly #asked = new Set<string>();
  readonly #decided = new Set<string>();

  constructor(source: ApprovalSource, runId: string) {
    this.#source = source;
    this.#runId = runId;
  }

  async *requested(): AsyncGenerator<RunEvent> {
    for (const data of await this.#source.approvals(this.#runId)) {
      if (this.#asked.has(data.toolUseId)) continue;
      this.#asked.add(data.toolUseId);
      yield { type: "approval.requested", data };
    }
  }

  /** What has become of the calls of which the listener was told that they wait. */
  decided(): AsyncGenerator<RunEvent> {
    return this.#decisionsOn([...this.#asked]);
  }

  /** What was decided on calls that have their results now. */
  finished(calls: { toolUseId: string; name: string }[]): AsyncGenerator<RunEvent> {
    return this.#decisionsOn(calls.filter(({ name }) => this.#source.asksFirst(name)).map((it) => it.toolUseId));
  }

  async *#decisionsOn(calls: string[]): AsyncGenerator<RunEvent> {
    const open = new Set(calls.filter((it) => !this.#decided.has(it)));
    if (open.size === 0) return;
    for (const data of await this.#source.decisions(this.#runId)) {
      if (!open.has(data.toolUseId)) continue;
      this.#decided.add(data.toolUseId);
      yield { type: "approval.decided", data };
    }
  }
}
