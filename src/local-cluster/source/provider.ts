import { join } from "node:path";
import type { Progress } from "../../telemetry/progress.ts";
import { apiClient } from "../api-client.ts";
import { cacheFolder, exists } from "../cache.ts";
import type { Cluster } from "../cluster.ts";
import { LocalClusterError } from "../errors.ts";
import { readKubeconfig } from "../kubeconfig.ts";
import { withLock } from "../lock.ts";
import { isAlive } from "../process-identity.ts";
import { versions } from "../versions.ts";
import { addressesOf } from "./addresses.ts";
import { type ClusterState, clusterFolder, type DataPlane, readState } from "./cluster-state.ts";
import { loadImage } from "./containerd.ts";
import { ensureParts } from "./parts.ts";
import { startCluster } from "./start.ts";
import { stopCluster } from "./stop.ts";

const kubeconfigOf = (name: string) => join(clusterFolder(name), "kubeconfig");
const lockOf = (name: string) => join(cacheFolder(), "locks", `cluster-${name}.lock`);

/** What isn't as it should be, in words; `undefined` when every program runs and the API server answers. */
export async function sourceClusterTrouble(name: string): Promise<string | undefined> {
  const state = await readState(name);
  if (!state) return "it isn't there";
  if (!(await isAlive(state.node))) return "its node has ended";
  const programs = Object.entries(state.components);
  if (programs.length === 0) return "it never came up";
  for (const [program, identity] of programs) if (!(await isAlive(identity))) return `${program} has ended`;
  const api = apiClient(await readKubeconfig(kubeconfigOf(name)));
  try {
    await api.get("/readyz");
    return undefined;
  } catch (error) {
    return `its API server doesn't answer: ${error instanceof Error ? error.message : error}`;
  } finally {
    api.close();
  }
}

const dataPlanes: Record<DataPlane, string> = {
  cilium: `Cilium ${versions.cilium} enforces NetworkPolicy`,
  bridge: "a bridge that ignores NetworkPolicy",
};

function clusterOf(name: string, state: ClusterState): Cluster {
  const folder = clusterFolder(name);
  return {
    provider: "source",
    name,
    kubeconfig: kubeconfigOf(name),
    enforcesNetworkPolicy: state.dataPlane === "cilium",
    description: `Kubernetes v${versions.kubernetes} built from source, one node, ${dataPlanes[state.dataPlane]}`,
    hostAddress: addressesOf(state.slot).host,
    loadImage: async (archive) => {
      await withLock(join(folder, "images.lock"), { note: () => {}, step: (_name, work) => work(() => {}) }, () =>
        loadImage(folder, state.node, archive),
      );
    },
  };
}

async function reuse(name: string, wanted: DataPlane, progress: Progress): Promise<Cluster | undefined> {
  const trouble = await sourceClusterTrouble(name);
  const state = await readState(name);
  if (trouble !== undefined || !state) {
    if (await exists(clusterFolder(name))) {
      await progress.step(`clearing away what is left of the cluster ${name}: ${trouble}`, () => stopCluster(name));
    }
    return undefined;
  }
  if (wanted === "cilium" && state.dataPlane !== "cilium") {
    throw new LocalClusterError(
      `the cluster ${name} is up with ${dataPlanes[state.dataPlane]}: take it down (npm run cluster -- down --name ${name}), ` +
        "then this command starts one that enforces it",
    );
  }
  progress.note(`the cluster ${name} is up already`);
  return clusterOf(name, state);
}

/** The cluster built from source: the one that is up and well, or a new one. */
export async function ensureSourceCluster(
  name: string,
  dataPlane: DataPlane,
  progress: Progress,
  signal?: AbortSignal,
): Promise<Cluster> {
  return withLock(lockOf(name), progress, async () => {
    const there = await reuse(name, dataPlane, progress);
    if (there) return there;
    const parts = await ensureParts(dataPlane, progress, signal);
    try {
      return clusterOf(name, await startCluster(name, dataPlane, parts, progress, signal));
    } catch (error) {
      await stopCluster(name);
      throw error;
    }
  });
}

/** Takes it down and leaves nothing; false when there was none. */
export async function sourceClusterDown(name: string, progress: Progress): Promise<boolean> {
  if (!(await exists(clusterFolder(name)))) return false;
  await withLock(lockOf(name), progress, () =>
    progress.step(`taking down the cluster ${name}`, () => stopCluster(name)),
  );
  return true;
}

export async function sourceClusterFor(name: string): Promise<Cluster | undefined> {
  const state = await readState(name);
  return state ? clusterOf(name, state) : undefined;
}
