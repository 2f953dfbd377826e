import type { AgentConfig } from "../../api/agent-config.ts";
import type { FinalState, RunError, Tokens } from "../../database/runs/run.ts";
import type { OpenSpan, TraceParent, Tracer } from "../../telemetry/tracing/span.ts";
import { runFailureLabel } from "../metrics/labels.ts";
import type { AttributeName, Attributes } from "./attributes.ts";
import { exemplarOf } from "./exemplar.ts";
import { callSpanId, madeAt, runSpanId, within } from "./span-ids.ts";
import { usageOf } from "./usage.ts";

const PROVIDER = "anthropic";

/** What of a run its spans are about. */
export interface TracedRun {
  id: string;
  sessionId: string;
  /** Where it was asked for; null: nobody traced that, and its spans have no trace to be in. */
  trace?: TraceParent | null | undefined;
}

export interface EndedRun {
  state: FinalState;
  error: RunError | null;
  stopReason: string | null;
  tokens: Tokens;
  iterations: number;
  claims: number;
}

/**
 * The spans of one agent: a request, in it a run, in that calls of the model and of tools, and in the call of another agent that one's
 * run. A run's place travels with its row, so that any pod goes on with its trace.
 */
export class AgentTracing {
  readonly #tracer: Tracer<AttributeName>;
  readonly #config: AgentConfig;
  readonly #sessionIds: boolean;
  readonly #server: Attributes;

  /** @param sessionIds whether spans may say of which session they are */
  constructor(tracer: Tracer<AttributeName>, config: AgentConfig, sessionIds: boolean) {
    this.#tracer = tracer;
    this.#config = config;
    this.#sessionIds = sessionIds;
    const { hostname, port, protocol } = new URL(config.anthropicBaseUrl ?? "https://api.anthropic.com");
    this.#server = { "server.address": hostname, "server.port": Number(port) || (protocol === "http:" ? 80 : 443) };
  }

  /** A request begins. @param traceParent as its header says; one that is malformed begins a trace, as none does */
  request(method: string, traceParent: string | undefined): OpenSpan<AttributeName> {
    return this.#tracer.start({
      name: method,
      kind: "server",
      parent: traceParent,
      remote: true,
      attributes: { "http.request.method": method, "url.scheme": "http" },
    });
  }

  /** The run is over: tells of all of it, from when it was taken, whoever worked on it. */
  runEnded(run: TracedRun & { depth: number }, ended: EndedRun): void {
    if (!isKept(run)) return;
    const { name } = this.#config.agent;
    const span = this.#tracer.start({
      name: `invoke_agent ${name}`,
      kind: "internal",
      parent: run.trace,
      remote: run.depth > 0,
      id: runSpanId(run.id),
      startedAt: madeAt(run.id),
      attributes: {
        ...this.#common("invoke_agent", run),
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": this.#config.model,
        "agentpg.tenant": this.#config.tenant.name,
      },
    });
    const { state, error, stopReason, tokens, iterations, claims } = ended;
    span.end({
      attributes: {
        "agentpg.run.state": state,
        "agentpg.run.iterations": iterations,
        "agentpg.run.claims": claims,
        ...(stopReason ? { "gen_ai.response.finish_reasons": [stopReason] } : {}),
        ...usageOf(tokens),
      },
      error: state === "failed" ? runFailureLabel(error?.type ?? "internal_error") : undefined,
    });
  }

  /** The model is asked. */
  modelCall(run: TracedRun, request: { model: string; maxTokens: number }): OpenSpan<AttributeName> | undefined {
    if (!isKept(run)) return undefined;
    return this.#tracer.start({
      name: `chat ${request.model}`,
      kind: "client",
      parent: within(run.trace, runSpanId(run.id)),
      attributes: {
        ...this.#common("chat", run),
        ...this.#server,
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": request.model,
        "gen_ai.request.max_tokens": request.maxTokens,
      },
    });
  }

  /** A tool is called, here. */
  toolCall(
    run: TracedRun,
    tool: { name: string; kind: string },
    toolUseId: string,
  ): OpenSpan<AttributeName> | undefined {
    if (!isKept(run)) return undefined;
    return this.#tracer.start({
      name: `execute_tool ${tool.name}`,
      kind: "internal",
      parent: within(run.trace, runSpanId(run.id)),
      attributes: this.#tool(run, tool, toolUseId),
    });
  }

  /** Another agent has answered, or is not waited for any more: tells of the call from when it was made. */
  delegationEnded(
    run: TracedRun,
    call: { tool: string; toolUseId: string; childRun: string },
    error: string | undefined,
  ): void {
    if (!isKept(run)) return;
    const span = this.#tracer.start({
      name: `execute_tool ${call.tool}`,
      kind: "internal",
      parent: within(run.trace, runSpanId(run.id)),
      id: callSpanId(call.childRun),
      startedAt: madeAt(call.childRun),
      attributes: this.#tool(run, { name: call.tool, kind: "agent" }, call.toolUseId),
    });
    span.end({ error });
  }

  /** Sends what there is; settles within so many milliseconds. */
  stop(graceMs: number): Promise<void> {
    return this.#tracer.stop(graceMs);
  }

  #common(operation: string, { id, sessionId }: TracedRun): Attributes {
    const { agent } = this.#config;
    return {
      "gen_ai.operation.name": operation,
      "gen_ai.agent.name": agent.name,
      "gen_ai.agent.id": agent.uid,
      "agentpg.run.id": id,
      ...(this.#sessionIds ? { "gen_ai.conversation.id": sessionId } : {}),
    };
  }

  #tool(run: TracedRun, { name, kind }: { name: string; kind: string }, toolUseId: string): Attributes {
    return {
      ...this.#common("execute_tool", run),
      "gen_ai.tool.name": name,
      "gen_ai.tool.type": "function",
      "gen_ai.tool.call.id": toolUseId,
      "agentpg.tool.kind": kind,
    };
  }
}

/** Where the run of another agent is in the trace, that this run asks for. */
export const childTrace = ({ trace }: TracedRun, childRun: string): TraceParent | undefined =>
  trace ? within(trace, callSpanId(childRun)) : undefined;

/** A run is traced when whoever took it did, and the trace is one that is kept. */
const isKept = (run: TracedRun): run is TracedRun & { trace: TraceParent } => exemplarOf(run.trace) !== undefined;
