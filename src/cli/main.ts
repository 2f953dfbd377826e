import { Command } from "commander";

const program = new Command("agentpg")
  .description("AI agents for many tenants on Kubernetes, every conversation in Postgres")
  .showHelpAfterError("(agentpg --help lists the commands)");

program
  .command("operator")
  .description("reconcile Tenants and Agents")
  .requiredOption("--config <file>", "the operator's configuration (JSON)")
  .option("--kubeconfig <file>", "a kubeconfig; left out: the pod's service account, or your own")
  .option("--log-level <level>", "trace, debug, info, warn or error", "info")
  .option("--migrations <directory>", "the SQL migrations of a tenant's schema")
  .action(async (options: { config: string; kubeconfig?: string; logLevel: string; migrations?: string }) => {
    const { runOperator } = await import("../operator/main.ts");
    const { migrations, ...rest } = options;
    process.exitCode = await runOperator({ ...rest, ...(migrations ? { migrationsDir: migrations } : {}) });
  });

await program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`agentpg: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
