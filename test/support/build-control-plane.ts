import { ensureTools } from "../../src/local-cluster/index.ts";
import { terminalProgress } from "../../src/telemetry/progress.ts";
import { ensureDataDirectory } from "./data-directory.ts";

/** Before the suite, in one process: two test files at once would build the same programs twice. */
export async function setup(): Promise<void> {
  await ensureTools(["etcd", "kube-apiserver", "kube-controller-manager"], terminalProgress());
  await ensureDataDirectory();
}
