import type { Run, RunTree } from "../../runtime/client.ts";
import { say } from "../say.ts";
import { table } from "../table.ts";
import { harmless } from "./message-text.ts";
import { type AgentOptions, withAgent } from "./with-agent.ts";

export interface RunsOptions extends AgentOptions {
  /** The runs of this session. */
  session?: string;
  /** This run, with its tool calls and what it asked other agents. */
  run?: string;
  /** End it. */
  cancel?: boolean;
  state?: Run["state"];
  limit: number;
  output: "table" | "json";
}

/** `agentpg runs AGENT`: the runs of a session, or one run as a tree; with `cancel` it is ended. */
export async function showRuns(agentName: string, options: RunsOptions): Promise<void> {
  const { session, run, cancel, state, limit, output } = options;
  if ((session === undefined) === (run === undefined))
    throw new Error(
      `say --session ID or --run ID: \`agentpg sessions ${agentName} -n ${options.namespace}\` lists sessions`,
    );
  if (cancel && run === undefined) throw new Error("--cancel: name the run with --run ID");
  await withAgent(agentName, options, async (agent) => {
    if (run === undefined) {
      const { items } = await agent.runs(session ?? "", { limit, ...(state ? { state } : {}) });
      return say(output === "json" ? JSON.stringify(items, undefined, 2) : runTable(items));
    }
    if (cancel) {
      const { state: now } = await agent.cancel(run);
      return say(
        output === "json" ? JSON.stringify({ id: run, state: now }) : `run ${run} is being cancelled (${now})`,
      );
    }
    const tree = await agent.runTree(run);
    say(output === "json" ? JSON.stringify(tree, undefined, 2) : treeText(tree));
  });
}

const runTable = (runs: Run[]): string =>
  runs.length === 0
    ? "no such runs in this session"
    : table([
        ["RUN", "STATE", "CREATED", "SECONDS", "USD", "WHY"],
        ...runs.map((it) => [it.id, it.state, it.createdAt, seconds(it), it.usd, harmless(it.error?.message ?? "")]),
      ]);

const seconds = ({ createdAt, finishedAt }: { createdAt: string; finishedAt: string | null }): string =>
  finishedAt ? ((Date.parse(finishedAt) - Date.parse(createdAt)) / 1000).toFixed(1) : "…";

/** A run, its tool calls, and below each delegation the run that it asked for. */
export function treeText(run: RunTree, indent = ""): string {
  const children = new Map((run.children as unknown as RunTree[]).map((it) => [it.id, it]));
  const head = `${indent}${run.agent} ${run.state} ${run.id} (${seconds(run)} s, ${run.totalUsd} USD): ${harmless(oneLine(run.task))}`;
  const calls = run.toolCalls.flatMap((it) => {
    const outcome = it.isError === null ? it.state : it.isError ? "failed" : "done";
    const child = it.childRun === null ? undefined : children.get(it.childRun);
    const line = `${indent}  ├ ${it.name} ${outcome} ${harmless(oneLine(JSON.stringify(it.input)))}`;
    return child ? [line, treeText(child, `${indent}  │ `)] : [line];
  });
  const end = run.error?.message ?? run.response;
  return [head, ...calls, ...(end === null ? [] : [`${indent}  └ ${harmless(oneLine(end))}`])].join("\n");
}

const oneLine = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
};
