import { rm } from "node:fs/promises";
import { succeeds } from "../run.ts";
import { isAlive, signal } from "../process-identity.ts";
import { until } from "../wait.ts";
import { addressesOf } from "./addresses.ts";
import { removeCgroups } from "./cgroups.ts";
import { type ClusterState, clusterFolder, livingNeighbours, readState } from "./cluster-state.ts";
import { restoreSettings } from "./settings.ts";

/** Ends the node's first process; the kernel then ends all others in it, and returns only when they are gone. */
async function endNode(state: ClusterState): Promise<void> {
  await signal(state.node, "SIGKILL");
  await until("the node's processes to end", async () => ((await isAlive(state.node)) ? undefined : true), {
    seconds: 30,
    everyMs: 20,
  });
}

/**
 * Takes a cluster down, whatever is left of it, so that nothing stays: processes, mounts and interfaces go with the node;
 * cgroups, settings and the folder are removed here. Fine to call when there is none.
 */
export async function stopCluster(name: string): Promise<void> {
  const state = await readState(name);
  if (state) {
    await endNode(state);
    // Goes with the node's network, but only in a while.
    await succeeds("ip", ["link", "delete", addressesOf(state.slot).interface]);
  }
  await removeCgroups(name);
  if (state && (await livingNeighbours(name)).length === 0) await restoreSettings(state.settings);
  await rm(clusterFolder(name), { recursive: true, force: true });
}
