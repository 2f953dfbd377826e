import { existsSync } from "node:fs";
import { join } from "node:path";
import { Argument, Command, Option } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { addAgentCommands } from "./agents/commands.ts";
import { addClusterCommands } from "./cluster-commands.ts";
import { withClusterOptions } from "./cluster-options.ts";
import { explainError } from "./explain-error.ts";
import type { EraseOptions } from "./erase.ts";
import type { AuditOptions } from "./audit.ts";
import type { ExportOptions } from "./export.ts";
import type { MigrateOptions } from "./migrate.ts";
import type { RotateOptions } from "./rotate.ts";
import type { ClusterOptions } from "./open-config.ts";
import type { OperatorAccess } from "./operator-access.ts";
import { withOperatorOptions } from "./operator-options.ts";

const program = new Command("agentpg")
  .description("AI agents for many tenants on Kubernetes, every conversation in Postgres")
  .version(manifest.version)
  .showHelpAfterError("(agentpg --help lists the commands)");

program
  .command("operator")
  .description("reconcile Tenants and Agents")
  .requiredOption("--config <file>", "the operator's configuration (JSON)")
  .option("--kubeconfig <file>", "a kubeconfig; left out: the pod's service account, or your own")
  .option("--log-level <level>", "trace, debug, info, warn or error", "info")
  .option("--migrations <directory>", "the SQL migrations of a tenant's schema")
  .action(
    async ({ migrations, ...rest }: { config: string; kubeconfig?: string; logLevel: string; migrations?: string }) => {
      const { runOperator } = await import("../operator/main.ts");
      // At once: a leader that lost its lease must not write any more.
      process.exit(await runOperator({ ...rest, ...(migrations ? { migrationsDir: migrations } : {}) }));
    },
  );

program
  .command("runtime")
  .description("serve one agent; configured by files and the environment (docs/operations.md)")
  .action(async () => {
    const { runRuntime } = await import("../runtime/main.ts");
    process.exit(await runRuntime());
  });

program
  .command("broker")
  .description("hold a tenant's API key, and pass its agents' calls of the model on; configured as the runtime is")
  .action(async () => {
    const { runBroker } = await import("../broker/main.ts");
    process.exit(await runBroker());
  });

program
  .command("network-probe", { hidden: true })
  .description("what the pods of the operator's network probe run (docs/security.md)")
  .addArgument(new Argument("<action>").choices(["listen", "dial"]))
  .argument("<targets...>", "listen: a port; dial: NAME=ADDRESS:PORT")
  .action(async (action: string, targets: string[]) => {
    const { runNetworkProbe } = await import("./network-probe.ts");
    await runNetworkProbe(action, targets);
  });

withClusterOptions(
  program.command("status").description("all Tenants and Agents, and why one is not ready; exits 1 when one is not"),
)
  .option(
    "--security [tenant]",
    "what was proved of the security of all Tenants, or of one; exits 1 when a check failed",
  )
  .addOption(new Option("-o, --output <format>").choices(["table", "json"]).default("table"))
  .action(async ({ security, ...options }: ClusterOptions & { output: "table" | "json"; security?: string | true }) => {
    if (security !== undefined) {
      const { showSecurity } = await import("./security-status.ts");
      process.exitCode = await showSecurity({ ...options, ...(security === true ? {} : { tenant: security }) });
      return;
    }
    const { showStatus } = await import("./status.ts");
    process.exitCode = await showStatus(options);
  });

addAgentCommands(program);
addClusterCommands(program);

withOperatorOptions(
  program
    .command("migrate")
    .description(
      "how far a new version's migrations of the tenants' schemas are; pause and resume them, or try them out",
    )
    .addArgument(new Argument("[action]", "what to do; left out: status").choices(["status", "pause", "resume"])),
)
  .option("--dry-run", "run each tenant's pending migrations and roll them back; takes the same locks for as long")
  .option("--tenant <name>", "with --dry-run: this Tenant only")
  .addOption(new Option("-o, --output <format>").choices(["table", "json"]).default("table"))
  .action(async (action: string | undefined, options: MigrateOptions) => {
    const { migrate } = await import("./migrate.ts");
    process.exitCode = await migrate(action, options);
  });

withClusterOptions(
  program
    .command("rotate")
    .description("change the database password of Tenants, without a failed query, and wait until it is done"),
)
  .argument("[tenants...]", "the Tenants' names")
  .option("--all", "all Tenants that are not paused")
  .option("--no-wait", "ask for it and end")
  .option("--timeout <seconds>", "how long to wait; the operator goes on all the same", Number, 1800)
  .action(async (tenants: string[], options: RotateOptions) => {
    const { rotate } = await import("./rotate.ts");
    process.exitCode = await rotate(tenants, options);
  });

withOperatorOptions(
  program
    .command("erase")
    .description("erase a session or an end user of a Tenant, or what a deleted Tenant left; asks before it does"),
)
  .option("--tenant <name>", "the Tenant")
  .option("--session <id>", "this session, with those that other agents opened for it")
  .option("--user <id>", "all sessions of this end user, with all agents")
  .option("--retained <name>", "all that a deleted Tenant of this name left")
  .option("--confirm <name>", "with --retained: the name once more")
  .option("--dry-run", "only count")
  .option("-y, --yes", "do not ask")
  .option(
    "--allow-empty",
    "end with 0 when there is nothing to erase, and note the erasure in the audit log all the same",
  )
  .option("--wait <seconds>", "how long runs under way get to end in good order", Number, 30)
  .action(async (options: EraseOptions & OperatorAccess) => {
    const { erase } = await import("./erase.ts");
    process.exitCode = await erase(options);
  });

withOperatorOptions(
  program.command("export").description("all data of a Tenant, or of one user or session, as JSON Lines (docs/api.md)"),
)
  .requiredOption("--tenant <name>", "the Tenant")
  .option("--user <id>", "only this end user's")
  .option("--session <id>", "only this session's, with those that other agents opened for it")
  .option("-o, --output <file>", "a file; left out: standard output")
  .action(async (options: ExportOptions & OperatorAccess) => {
    const { exportData } = await import("./export.ts");
    process.exitCode = await exportData(options);
  });

withOperatorOptions(
  program
    .command("audit")
    .description("hold Tenants' audit logs against their hashes: exit code 1 when one was changed, cut or written anew")
    .addArgument(new Argument("<action>", "what to do").choices(["verify"])),
)
  .option("--tenant <name>", "this Tenant only")
  .option("--since-verified", "only what came since the log was last found whole")
  .option("--expect <seq:hash>", "a head that an earlier answer gave, kept elsewhere: the log has to have it still")
  .option("--after-restore", "a backup was restored: take the log as it is from now on")
  .addOption(new Option("-o, --output <format>").choices(["table", "json"]).default("table"))
  .action(async (_action: string, options: AuditOptions & OperatorAccess) => {
    const { auditVerify } = await import("./audit.ts");
    process.exitCode = await auditVerify(options);
  });

// The image has no checkout, and nothing to build clusters with.
if (existsSync(join(import.meta.dirname, "checkout-commands.ts"))) {
  const { addCheckoutCommands } = await import("./checkout-commands.ts");
  addCheckoutCommands(program);
}

// `agentpg … | head`: who reads has had enough, and that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

await program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`agentpg: ${explainError(error)}\n`);
  process.exitCode = 1;
});
