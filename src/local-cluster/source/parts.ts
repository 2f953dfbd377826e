import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../../telemetry/progress.ts";
import { ensureBaseImage, imagePackages } from "../base-image.ts";
import { exists } from "../cache.ts";
import { ensurePackages } from "../debian.ts";
import { writeProgramImage } from "../image-archive.ts";
import { ensureTools, toolFolder } from "../tools.ts";
import { corednsImage, pauseImage } from "../versions.ts";
import { type CiliumAssets, ensureCiliumAssets } from "./cilium.ts";
import type { DataPlane } from "./cluster-state.ts";

const controlPlane = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const;
const node = ["kubelet", "kube-proxy", "containerd", "containerd-shim-runc-v2", "ctr", "pause", "coredns"] as const;
const cilium = ["cilium-agent", "cilium-cni"] as const;

const packages = [
  "iproute2",
  "runc",
  "containernetworking-plugins",
  "iptables",
  "ipset",
  "conntrack",
  "socat",
  "ethtool",
];

/** Everything a cluster is put together from. */
export interface Parts {
  /** The folder with all programs. */
  tools: string;
  /** Archives of the images that the node itself needs. */
  images: string[];
  cilium: CiliumAssets | undefined;
}

async function programImage(tools: string, program: "pause" | "coredns", tag: string): Promise<string> {
  const archive = join(tools, `${program}.tar`);
  if (await exists(archive)) return archive;
  await writeProgramImage(
    { tag, program: join(tools, program), ...(program === "pause" ? { user: "65535:65535" } : {}) },
    `${archive}.new`,
  );
  await rename(`${archive}.new`, archive);
  return archive;
}

/** Builds and fetches what is missing. Minutes the first time, nothing later. Packages come while Go compiles. */
export async function ensureParts(dataPlane: DataPlane, progress: Progress, signal?: AbortSignal): Promise<Parts> {
  const tools = [...controlPlane, ...node, ...(dataPlane === "cilium" ? cilium : [])];
  const fromDebian = async () => {
    const names = [...packages, ...(dataPlane === "cilium" ? ["ccache"] : []), ...imagePackages];
    await ensurePackages(names, progress, signal); // one apt-get does for the images too
    const assets = dataPlane === "cilium" ? await ensureCiliumAssets(progress, signal) : undefined;
    await ensureBaseImage(progress, signal); // not the cluster's, but made in the same minutes it costs nothing
    return assets;
  };
  const [built, debian] = await Promise.allSettled([ensureTools(tools, progress, signal), fromDebian()]);
  if (built.status === "rejected") throw built.reason;
  if (debian.status === "rejected") throw debian.reason;
  const folder = await toolFolder();
  const images = [await programImage(folder, "pause", pauseImage), await programImage(folder, "coredns", corednsImage)];
  return { tools: folder, images, cilium: debian.value };
}
