import type { Progress } from "../telemetry/progress.ts";
import { chooseProvider, type Machine } from "./choose-provider.ts";
import type { Cluster } from "./cluster.ts";
import { containerEngine } from "./container-engine.ts";
import { LocalClusterError } from "./errors.ts";
import { existingCluster } from "./existing.ts";
import { ensureKind, ensureKindCluster, kindClusterDown } from "./kind.ts";
import { succeeds } from "./run.ts";
import { ensureSourceCluster, sourceClusterDown, sourceClusterFor, sourceClusterTrouble } from "./source/provider.ts";

export const defaultName = "agentpg";

export interface EnsureOptions {
  name?: string;
  /** An existing cluster is taken as it is. */
  kubeconfig?: string | undefined;
  /** `enforcing` unless told: NetworkPolicies count. `any` starts sooner, and ignores them. */
  dataPlane?: "enforcing" | "any";
  progress: Progress;
  signal?: AbortSignal;
}

/** A name becomes a folder, a cgroup and a container's name. */
function checkedName(name = defaultName): string {
  if (/^[a-z][a-z0-9-]{0,30}$/.test(name)) return name;
  throw new LocalClusterError(
    `${JSON.stringify(name)} can't name a cluster: use up to 31 of a-z, 0-9 and -, a letter first`,
  );
}

async function lookAround(progress: Progress): Promise<Machine> {
  const engine = await containerEngine();
  return {
    engine,
    kind: engine ? await ensureKind(progress) : undefined,
    linux: process.platform === "linux",
    root: process.getuid?.() === 0,
    go: await succeeds("go", ["version"]),
  };
}

/**
 * A cluster that is ready for use: an existing one by its kubeconfig, else one by kind where a container engine answers,
 * else one built from source. The one that is up already is taken. Throws a LocalClusterError that says what can be done.
 */
export async function ensureCluster(options: EnsureOptions): Promise<Cluster> {
  const { progress, signal } = options;
  const name = checkedName(options.name);
  const cluster = options.kubeconfig ? existingCluster(name, options.kubeconfig) : await localCluster(name, options);
  signal?.throwIfAborted();
  progress.note(cluster.description);
  return cluster;
}

async function localCluster(name: string, { progress, signal, dataPlane }: EnsureOptions): Promise<Cluster> {
  const choice = chooseProvider(await lookAround(progress));
  if (choice.provider === "none") throw new LocalClusterError(choice.because);
  progress.note(choice.because);
  if (choice.provider === "kind") return ensureKindCluster(name, choice.kind, choice.engine, progress, signal);
  return ensureSourceCluster(name, dataPlane === "any" ? "bridge" : "cilium", progress, signal);
}

/** Takes the cluster of that name down, whoever brought it, so that nothing of it stays. Fine when there is none. */
export async function clusterDown(options: { name?: string; progress: Progress }): Promise<void> {
  const name = checkedName(options.name);
  const source = await sourceClusterDown(name, options.progress);
  const kind = await kindClusterDown(name, options.progress);
  if (!source && !kind) options.progress.note(`there is no local cluster ${name}`);
}

export interface ClusterStatus {
  name: string;
  state: "up" | "down" | "broken";
  /** One line. */
  text: string;
  cluster?: Cluster;
}

/** How the cluster from source is; of kind's, kind itself tells (`kind get clusters`). */
export async function clusterStatus(options: { name?: string } = {}): Promise<ClusterStatus> {
  const name = checkedName(options.name);
  const cluster = await sourceClusterFor(name);
  if (!cluster) return { name, state: "down", text: `no cluster ${name}` };
  const trouble = await sourceClusterTrouble(name);
  if (trouble !== undefined)
    return { name, state: "broken", text: `${name}: ${trouble}; the next start clears it away` };
  return {
    name,
    state: "up",
    text: `${name}: ${cluster.description}; export KUBECONFIG=${cluster.kubeconfig}`,
    cluster,
  };
}
