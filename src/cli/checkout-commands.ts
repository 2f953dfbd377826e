import { type Command, Option } from "commander";
import { terminalProgress } from "../telemetry/progress.ts";
import type { DemoOptions } from "./demo/run.ts";

/** Commands that need a checkout of the repository: they build images and clusters. They are not part of the image. */
export function addCheckoutCommands(program: Command): void {
  program
    .command("demo")
    .description("show the whole product on a real cluster: two tenants, three agents, a conversation")
    .option("--kubeconfig <file>", "use this cluster instead of making one")
    .option("--image <reference>", "the product's image in a registry that the existing cluster pulls from")
    .option("--backends-image <reference>", "the image of the demo's Postgres and simulated Claude, likewise")
    .option("--check", "exit 0 or 1 at the end instead of staying up")
    .option("--keep", "leave the cluster up at the end")
    .option("--name <name>", "the local cluster's name", "agentpg")
    .addOption(
      new Option("--data-plane <kind>", "whether the local cluster enforces NetworkPolicy")
        .choices(["auto", "enforcing", "any"])
        .default("auto"),
    )
    .action(async (options: DemoOptions) => {
      const { runDemo } = await import("./demo/run.ts");
      process.exit(await runDemo(options)); // whatever an interruption left under way ends here
    });

  program
    .command("cluster")
    .description("a local Kubernetes: up, status, down")
    .argument("[arguments...]")
    .allowUnknownOption()
    .helpOption(false)
    .action(async (args: string[]) => {
      const { runClusterCommand } = await import("../local-cluster/index.ts");
      process.exitCode = await runClusterCommand(args, terminalProgress());
    });

  program
    .command("__faults", { hidden: true })
    .description("what the command line has against commands, without running them")
    .action(async () => {
      const { showFaults } = await import("./faults.ts");
      await showFaults(program);
    });
}
