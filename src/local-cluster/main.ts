import { terminalProgress } from "../telemetry/progress.ts";
import { runClusterCommand } from "./command.ts";
import { LocalClusterError } from "./errors.ts";

try {
  process.exitCode = await runClusterCommand(process.argv.slice(2), terminalProgress());
} catch (error) {
  if (!(error instanceof LocalClusterError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
