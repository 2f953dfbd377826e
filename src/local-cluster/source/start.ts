import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../../telemetry/progress.ts";
import { type ApiClient, apiClient } from "../api-client.ts";
import {
  apiServerArguments,
  controllerManagerArguments,
  etcdArguments,
  schedulerArguments,
} from "../control-plane-arguments.ts";
import { type ControlPlaneConfig, writeControlPlaneFiles } from "../control-plane-config.ts";
import { LocalClusterError } from "../errors.ts";
import { freePorts } from "../ports.ts";
import type { ProcessIdentity } from "../process-identity.ts";
import { type Addresses, addressesOf } from "./addresses.ts";
import { type Ascent, ascent } from "./ascent.ts";
import { makeCgroups } from "./cgroups.ts";
import {
  applyCiliumDefinitions,
  type CiliumAssets,
  ciliumEnvironment,
  ciliumIsWell,
  writeCiliumFiles,
} from "./cilium.ts";
import {
  type ClusterState,
  clusterFolder,
  type DataPlane,
  freeSlot,
  livingNeighbours,
  writeState,
} from "./cluster-state.ts";
import { makeCniFolder, useBridge, useCilium } from "./cni.ts";
import { loadImage, writeContainerdConfig } from "./containerd.ts";
import { applyDns, dnsIsReady } from "./dns.ts";
import { kubeletArguments, kubeProxyArguments, nodeName, writeNodeFiles } from "./kubelet.ts";
import { connectNode, runInNode, startNode } from "./node-namespaces.ts";
import type { Parts } from "./parts.ts";
import { readSettings } from "./settings.ts";

async function startControlPlane(up: Ascent, config: ControlPlaneConfig, api: ApiClient): Promise<void> {
  const seen = { ...config, folder: "/run/cluster" };
  up.start("etcd", etcdArguments(seen), { network: "host" });
  up.start("kube-apiserver", apiServerArguments(seen), { network: "host" });
  await up.until("the API server", "kube-apiserver", 60, () => api.get("/readyz"));
  up.start("kube-controller-manager", controllerManagerArguments(seen), { network: "host" });
  up.start("kube-scheduler", schedulerArguments(seen), { network: "host" });
}

async function startContainerd(up: Ascent, folder: string, node: ProcessIdentity, images: string[]): Promise<void> {
  await writeContainerdConfig(folder);
  await makeCniFolder(node);
  up.start("containerd", ["--config=/run/cluster/containerd.toml"]);
  await up.until("containerd", "containerd", 30, () => runInNode(node, ["/run/bin/ctr", "version"]));
  for (const image of images) await loadImage(folder, node, image);
}

async function startCilium(up: Ascent, node: ProcessIdentity, api: ApiClient, assets: CiliumAssets): Promise<void> {
  // The agent's own beginning takes seconds; it waits for the definitions by itself.
  up.start("cilium-agent", ["--config-dir=/run/cluster/cilium"], { env: ciliumEnvironment });
  await applyCiliumDefinitions(api, assets);
  await up.until("Cilium", "cilium-agent", 120, () => ciliumIsWell(node));
  await useCilium(node);
}

async function nodeIsReady(api: ApiClient): Promise<boolean> {
  const { status } = JSON.parse(await api.get(`/api/v1/nodes/${nodeName}`)) as {
    status: { conditions?: { type: string; status: string }[] };
  };
  return status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

function controlPlaneConfig(folder: string, at: Addresses, ports: number[]): ControlPlaneConfig {
  const [etcdPort = 0, etcdPeerPort = 0] = ports;
  const { serviceCidr, clusterCidr, api: serviceAddress } = at;
  return { folder, address: at.host, port: 6443, etcdPort, etcdPeerPort, serviceCidr, serviceAddress, clusterCidr };
}

async function newState(name: string, dataPlane: DataPlane, parts: Parts): Promise<ClusterState> {
  const neighbours = await livingNeighbours(name);
  const slot = freeSlot(neighbours);
  if (slot === undefined) throw new LocalClusterError("16 local clusters are up: take one down first");
  const folder = clusterFolder(name);
  await mkdir(join(folder, "log"), { recursive: true });
  await mkdir(join(folder, "etcd"), { recursive: true, mode: 0o700 });
  const settings = neighbours[0]?.settings ?? (await readSettings());
  const node = await startNode({ cluster: folder, tools: parts.tools, clang: parts.cilium?.clang });
  const state = { slot, dataPlane, node, components: {}, settings };
  await writeState(name, state);
  return state;
}

/**
 * Starts a cluster in an empty folder and gives its state once the node is ready and DNS answers.
 * When it throws, whatever has been started is still there: the caller takes it down.
 */
export async function startCluster(
  name: string,
  dataPlane: DataPlane,
  parts: Parts,
  progress: Progress,
  signal?: AbortSignal,
): Promise<ClusterState> {
  const state = await newState(name, dataPlane, parts);
  const [folder, at, { node }] = [clusterFolder(name), addressesOf(state.slot), state];
  await makeCgroups(name);
  await connectNode(node, at);
  const config = controlPlaneConfig(folder, at, await freePorts(2));
  const { admin, authority } = await writeControlPlaneFiles(config);
  await writeNodeFiles(folder, name, at, authority, admin);
  if (parts.cilium) await writeCiliumFiles(folder, parts.cilium, at);
  const up = ascent(folder, node, signal);
  const api = apiClient(admin);
  try {
    await progress.step("starting the control plane and containerd", () =>
      Promise.all([startControlPlane(up, config, api), startContainerd(up, folder, node, parts.images)]),
    );
    up.start("kubelet", kubeletArguments(at));
    up.start("kube-proxy", kubeProxyArguments(at));
    const cilium = parts.cilium;
    await Promise.all([
      applyDns(api, at.dns),
      cilium ? progress.step("starting Cilium", () => startCilium(up, node, api, cilium)) : useBridge(node, at),
    ]);
    await progress.step("waiting for the node and DNS", async () => {
      await up.until("the node", "kubelet", 60, () => nodeIsReady(api));
      await up.until("DNS", "kubelet", 60, () => dnsIsReady(api));
    });
  } finally {
    api.close();
  }
  const running = { ...state, components: await up.identities() };
  await writeState(name, running);
  return running;
}
