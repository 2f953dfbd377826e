import { mkdir, readFile, readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exists } from "../cache.ts";

const root = "/sys/fs/cgroup";
/** Of all pods together. By default they weigh as much as one busy thread outside, and would starve beside a build or other tests. */
const WEIGHTS = [
  ["cpu.shares", "8192"], // version 1
  ["cpu.weight", "800"], // version 2
] as const;
const name = (cluster: string) => `agentpg-${cluster}`;

/** The kubelet's own corner of every hierarchy: two kubelets in one corner would clear away each other's pods. */
export const cgroupRoot = (cluster: string): string => `/${name(cluster)}`;

async function hierarchies(): Promise<string[]> {
  if (await exists(join(root, "cgroup.controllers"))) return [root]; // version 2
  return (await readdir(root)).map((controller) => join(root, controller));
}

const attempt = (work: Promise<unknown>) => work.catch(() => {});

export async function makeCgroups(cluster: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const folder = join(hierarchy, name(cluster));
    await mkdir(folder, { recursive: true });
    // Version 1: a new cpuset has neither CPUs nor memory, and nothing can run in it.
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      if (hierarchy === root) continue;
      await attempt(readFile(join(hierarchy, file), "utf8").then((all) => writeFile(join(folder, file), all)));
    }
    // Version 2: what the root doesn't hand on, the kubelet can't use.
    for (const controller of ["cpu", "cpuset", "memory", "pids", "io", "hugetlb"]) {
      if (hierarchy === root) await attempt(writeFile(join(root, "cgroup.subtree_control"), `+${controller}`));
    }
    for (const [file, weight] of WEIGHTS) await attempt(writeFile(join(folder, file), weight));
  }
}

async function removeTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  // Busy for a moment after the last process has ended.
  for (let tries = 0; tries < 50 && (await exists(folder)); tries++) {
    await attempt(rmdir(folder));
    if (await exists(folder)) await sleep(50);
  }
}

export async function removeCgroups(cluster: string): Promise<void> {
  for (const hierarchy of await hierarchies()) await removeTree(join(hierarchy, name(cluster)));
}
