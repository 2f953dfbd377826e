// The operator as `agentpg operator` runs it, bundled so that it starts in half a second: CONFIG KUBECONFIG MIGRATIONS
import { runOperator } from "../../../src/operator/main.ts";

const [config = "", kubeconfig = "", migrationsDir = ""] = process.argv.slice(2);
process.exit(await runOperator({ config, kubeconfig, migrationsDir }));
