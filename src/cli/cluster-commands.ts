import { Argument, type Command } from "commander";
import { withClusterOptions } from "./cluster-options.ts";
import { SHELLS, type Shell } from "./completion/scripts.ts";
import type { LogsOptions } from "./logs.ts";
import type { ClusterOptions } from "./open-config.ts";
import type { ReportOptions } from "./report/report.ts";

/** What is asked of the cluster alone, and what a shell needs to know. */
export function addClusterCommands(program: Command): void {
  for (const [name, paused, description] of [
    ["pause", true, "have the operator leave Tenants and their Agents as they are; they go on serving"],
    ["resume", false, "have the operator work on paused Tenants again"],
  ] as const)
    withClusterOptions(
      program.command(name).description(description).argument("<tenants...>", "the Tenants' names"),
    ).action(async (tenants: string[], options: ClusterOptions) => {
      const { pause } = await import("./pause.ts");
      await pause(tenants, paused, options);
    });

  withClusterOptions(
    program
      .command("logs")
      .description("what an Agent's pods say; without one, the operator's")
      .argument("[agent]", "the Agent's name")
      .option("-n, --namespace <namespace>", "the tenant's namespace, or the operator's", "agentpg-system"),
  )
    .option("-f, --follow", "go on with what comes")
    .option("--previous", "of the containers' earlier life")
    .option("--since <seconds>", "only the last seconds", Number)
    .option("--tail <lines>", "only so many lines of each pod", Number)
    .action(async (agent: string | undefined, options: LogsOptions) => {
      const { showLogs } = await import("./logs.ts");
      await showLogs(agent, options);
    });

  withClusterOptions(
    program.command("report").description("a support bundle: objects, events and logs, without Secrets and prompts"),
  )
    .option("-o, --output <file>", "the archive; left out: agentpg-report-<time>.tar.gz here")
    .option("--operator-namespace <namespace>", "where the operator runs", "agentpg-system")
    .option("--words", "with the prompts, statements and descriptions that tenants wrote", false)
    .option("--log-lines <number>", "lines of each log", Number, 2000)
    .action(async (options: ReportOptions) => {
      const { report } = await import("./report/report.ts");
      await report(options);
    });

  program
    .command("completion")
    .description("what your shell needs to complete agentpg's words: source <(agentpg completion bash)")
    .addArgument(new Argument("<shell>", "your shell").choices(SHELLS))
    .action(async (shell: Shell) => {
      const { completionScript } = await import("./completion/scripts.ts");
      process.stdout.write(completionScript(shell));
    });

  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .action(async (words: string[]) => {
      const { candidates } = await import("./completion/candidates.ts");
      const { clusterNames } = await import("./completion/cluster-names.ts");
      process.stdout.write((await candidates(program, words, clusterNames)).map((it) => `${it}\n`).join(""));
    });
}
