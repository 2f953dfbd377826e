import { type Command, Option } from "commander";
import { RUN_STATES } from "../../database/runs/run.ts";
import { withClusterOptions } from "../cluster-options.ts";
import type { ChatOptions } from "../chat.ts";
import type { DecideOptions } from "./decide.ts";
import type { RunsOptions } from "./runs.ts";
import type { SessionsOptions } from "./sessions.ts";

const OUTPUT = () => new Option("-o, --output <format>").choices(["table", "json"]).default("table");

/** The options of every command that speaks to an agent ({@link AgentOptions} in with-agent.ts). */
const withAgentOptions = (command: Command): Command =>
  withClusterOptions(
    command
      .argument("<agent>", "the Agent's name")
      .requiredOption("-n, --namespace <namespace>", "the tenant's namespace")
      .option("--service-account <name>", "the service account of the namespace that speaks", "default")
      .option("--token-env <name>", "take the bearer token from this environment variable instead"),
  );

/** `chat` and what else is asked of an agent's own API: each sees what the speaker may see, no more. */
export function addAgentCommands(program: Command): void {
  withAgentOptions(program.command("chat").description("talk to an agent at the terminal"))
    .option("--session <id>", "continue this session")
    .option("-m, --message <text>", "ask this and end")
    .action(async (agent: string, options: ChatOptions) => {
      const { chat } = await import("../chat.ts");
      process.exitCode = await chat(agent, options);
    });

  withAgentOptions(program.command("sessions").description("your sessions with an agent, or one conversation"))
    .argument("[session]", "show this conversation")
    .option("--metadata <key=value...>", "only sessions with these entries")
    .option("--limit <number>", "at most so many", Number, 20)
    .addOption(OUTPUT())
    .action(async (agent: string, session: string | undefined, options: SessionsOptions) => {
      const { listSessions, showTranscript } = await import("./sessions.ts");
      await (session === undefined ? listSessions(agent, options) : showTranscript(agent, session, options));
    });

  withAgentOptions(program.command("runs").description("the runs of a session, or one run with all that it asked for"))
    .option("--session <id>", "the runs of this session, the newest first")
    .option("--run <id>", "this run as a tree: tool calls, and other agents' runs")
    .option("--cancel", "with --run: end it")
    .addOption(new Option("--state <state>", "only runs in this state").choices(RUN_STATES))
    .option("--limit <number>", "at most so many", Number, 20)
    .addOption(OUTPUT())
    .action(async (agent: string, options: RunsOptions) => {
      const { showRuns } = await import("./runs.ts");
      await showRuns(agent, options);
    });

  withAgentOptions(program.command("approvals").description("tool calls that wait for a person"))
    .addOption(OUTPUT())
    .action(async (agent: string, options: DecideOptions) => {
      const { listApprovals } = await import("./decide.ts");
      await listApprovals(agent, options);
    });

  for (const [name, approve, description] of [
    ["approve", true, "let a tool call that waits be made"],
    ["deny", false, "refuse a tool call that waits; the model is told"],
  ] as const) {
    const command = withAgentOptions(program.command(name).description(description))
      .argument("<call>", "the call, as `agentpg approvals` names it")
      .addOption(OUTPUT());
    if (!approve) command.option("--reason <text>", "what the model is told");
    command.action(async (agent: string, call: string, options: DecideOptions) => {
      const { decide } = await import("./decide.ts");
      await decide(agent, call, approve, options);
    });
  }
}
