import { readFile, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../cache.ts";
import { isAlive, type ProcessIdentity } from "../process-identity.ts";
import { slots } from "./addresses.ts";

export type DataPlane = "cilium" | "bridge";

/** What a later command has to know about a cluster that was started from source. */
export interface ClusterState {
  slot: number;
  dataPlane: DataPlane;
  /** The first process of the node: everything the cluster runs ends with it. */
  node: ProcessIdentity;
  /** All programs; empty until the cluster was seen ready. */
  components: Record<string, ProcessIdentity>;
  /** The machine's settings as they were, for those that the node's programs change. */
  settings: Record<string, string>;
}

const clustersFolder = (): string => join(cacheFolder(), "clusters");
export const clusterFolder = (name: string): string => join(clustersFolder(), name);
const stateFile = (name: string) => join(clusterFolder(name), "state.json");

export async function readState(name: string): Promise<ClusterState | undefined> {
  const text = await readFile(stateFile(name), "utf8").catch(() => undefined);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as ClusterState);
  } catch {
    return undefined; // the machine stopped in the middle of writing
  }
}

export async function writeState(name: string, state: ClusterState): Promise<void> {
  await writeFile(`${stateFile(name)}.new`, JSON.stringify(state, null, 2));
  await rename(`${stateFile(name)}.new`, stateFile(name));
}

export async function clusterNames(): Promise<string[]> {
  const entries = await readdir(clustersFolder(), { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** The other clusters of this machine that are up. */
export async function livingNeighbours(name: string): Promise<ClusterState[]> {
  const states = await Promise.all((await clusterNames()).filter((other) => other !== name).map(readState));
  const alive = await Promise.all(states.map(async (state) => state !== undefined && (await isAlive(state.node))));
  return states.filter((state, i): state is ClusterState => state !== undefined && alive[i] === true);
}

/** The lowest slot that none of these has; `undefined` when all are taken. */
export function freeSlot(neighbours: Pick<ClusterState, "slot">[]): number | undefined {
  const taken = new Set(neighbours.map(({ slot }) => slot));
  return Array.from({ length: slots }, (_, slot) => slot).find((slot) => !taken.has(slot));
}
