import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";

const program = new Command("agentpg")
  .description("AI agents for many tenants on Kubernetes, every conversation in Postgres")
  .showHelpAfterError("(agentpg --help lists the commands)");

const KUBECONFIG = ["--kubeconfig <file>", "a kubeconfig; left out: KUBECONFIG, or ~/.kube/config"] as const;

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
  .command("status")
  .description("all Tenants and Agents, and why one is not ready; exits 1 when one is not")
  .option(...KUBECONFIG)
  .addOption(new Option("-o, --output <format>").choices(["table", "json"]).default("table"))
  .action(async (options: { kubeconfig?: string; output: "table" | "json" }) => {
    const { showStatus } = await import("./status.ts");
    process.exitCode = await showStatus(options);
  });

program
  .command("chat")
  .description("talk to an agent at the terminal")
  .argument("<agent>", "the Agent's name")
  .requiredOption("-n, --namespace <namespace>", "the tenant's namespace")
  .option(...KUBECONFIG)
  .option("--session <id>", "continue this session")
  .option("--service-account <name>", "the service account of the namespace that speaks", "default")
  .option("--token-env <name>", "take the bearer token from this environment variable instead")
  .option("-m, --message <text>", "ask this and end")
  .action(
    async (
      agent: string,
      { tokenEnv, ...options }: { namespace: string; serviceAccount: string; tokenEnv?: string },
    ) => {
      const { chat } = await import("./chat.ts");
      const token = tokenEnv ? process.env[tokenEnv] : undefined;
      if (tokenEnv && !token) throw new Error(`--token-env: the environment variable ${tokenEnv} is not set`);
      process.exitCode = await chat(agent, { ...options, ...(token ? { token } : {}) });
    },
  );

// The image has no checkout, and nothing to build clusters with.
if (existsSync(join(import.meta.dirname, "checkout-commands.ts"))) {
  const { addCheckoutCommands } = await import("./checkout-commands.ts");
  addCheckoutCommands(program);
}

await program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`agentpg: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
