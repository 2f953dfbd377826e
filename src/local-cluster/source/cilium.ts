import { chmod, cp, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parse } from "yaml";
import type { Progress } from "../../telemetry/progress.ts";
import type { ApiClient } from "../api-client.ts";
import { cacheFolder, exists, wholeFolder } from "../cache.ts";
import { unpackPackages } from "../debian.ts";
import { moduleFolder } from "../go-build.ts";
import { LocalClusterError } from "../errors.ts";
import { hashOf } from "../hash.ts";
import type { ProcessIdentity } from "../process-identity.ts";
import { run } from "../run.ts";
import { versions } from "../versions.ts";
import type { Addresses } from "./addresses.ts";
import { nodeName } from "./kubelet.ts";

/** What Cilium needs besides its programs. */
export interface CiliumAssets {
  /** The agent compiles its eBPF programs when it starts: their sources. */
  bpf: string;
  crds: string;
  /** A folder with the compiler, `clang`, to be seen by the node as /run/clang. */
  clang: string;
}

const clangVersion = 19; // what Cilium's own image has

// The libraries lie beside it: it is unpacked, not installed. The agent compiles the same programs at every start, half of
// what a start takes; ccache remembers the results, though not of what goes to standard output, where the agent wants it.
const clangWrapper = `#!/bin/sh
for libraries in /run/clang/root/usr/lib/*-linux-gnu; do :; done
export LD_LIBRARY_PATH=$libraries CCACHE_DIR=/run/clang/ccache CCACHE_NOHASHDIR=1
clang=/run/clang/root/usr/lib/llvm-${clangVersion}/bin/clang
case " $* " in *" -E "*) exec $clang "$@" ;; *" -o - ") ;; *) exec $clang "$@" ;; esac
wanted=$(($# - 2)) begun= object=$(mktemp)
trap 'rm -f "$object"' EXIT
for argument; do
  if [ -z "$begun" ]; then begun=1; set --; fi
  if [ $# -lt "$wanted" ]; then set -- "$@" "$argument"; fi
done
ccache $clang "$@" -o "$object" && cat "$object"
`;

async function unpackClang(folder: string, signal?: AbortSignal): Promise<void> {
  const packages = [`clang-${clangVersion}`, `libclang-cpp${clangVersion}`, `libllvm${clangVersion}`];
  await unpackPackages(packages, folder, signal);
  await writeFile(join(folder, "clang"), clangWrapper, { mode: 0o755 });
}

async function copySources(folder: string): Promise<void> {
  const module = await moduleFolder("github.com/cilium/cilium");
  const definitions = join(module, "pkg/k8s/apis/cilium.io/client/crds");
  await cp(join(module, "bpf"), join(folder, "bpf"), { recursive: true });
  await cp(definitions, join(folder, "crds"), { recursive: true });
  await run("chmod", ["-R", "u+w", folder]); // Go's module cache is read-only, the agent writes headers there
}

/** Fetches what is missing, once for each version. */
export async function ensureCiliumAssets(progress: Progress, signal?: AbortSignal): Promise<CiliumAssets> {
  const sources = join(cacheFolder(), "cilium", versions.cilium);
  const clang = join(cacheFolder(), "clang", `${clangVersion}-${process.arch}-${await hashOf([clangWrapper])}`);
  if (!(await exists(sources)))
    await progress.step("copying Cilium's eBPF sources", () => wholeFolder(sources, copySources));
  if (!(await exists(clang))) {
    await progress.step(`unpacking clang ${clangVersion}`, () =>
      wholeFolder(clang, async (folder) => {
        await unpackClang(folder, signal);
        await chmod(folder, 0o755);
      }),
    );
  }
  return { bpf: join(sources, "bpf"), crds: join(sources, "crds"), clang };
}

// Cilium's operator can't be built from its module alone, and with Kubernetes' own address management isn't needed:
// applying the definitions is all that remains of it. kube-proxy keeps the Services.
const configuration = (at: Addresses): Record<string, string> => ({
  "k8s-kubeconfig-path": "/run/cluster/kubeconfig",
  "identity-allocation-mode": "crd",
  ipam: "kubernetes",
  "routing-mode": "native",
  "ipv4-native-routing-cidr": at.clusterCidr,
  "enable-ipv6": "false",
  "enable-ipv4-masquerade": "false",
  "kube-proxy-replacement": "false",
  "enable-l7-proxy": "false",
  "enable-hubble": "false",
  "enable-health-checking": "false",
  "enable-endpoint-health-checking": "false",
  "enable-bpf-clock-probe": "false",
  devices: "eth0",
  "bpf-map-dynamic-size-ratio": "0.0025",
  "cni-exclusive": "false",
});

export const ciliumEnvironment = { K8S_NODE_NAME: nodeName, CILIUM_K8S_NAMESPACE: "kube-system" };

/** Writes the agent's configuration and a copy of its sources, where the node finds them. */
export async function writeCiliumFiles(folder: string, assets: CiliumAssets, at: Addresses): Promise<void> {
  const settings = join(folder, "cilium");
  await mkdir(settings, { recursive: true });
  for (const [key, value] of Object.entries(configuration(at))) await writeFile(join(settings, key), value);
  await cp(assets.bpf, join(folder, "node/var/lib/cilium/bpf"), { recursive: true });
}

export async function applyCiliumDefinitions(api: ApiClient, assets: CiliumAssets): Promise<void> {
  const files = (await readdir(assets.crds, { recursive: true })).filter((name) => name.endsWith(".yaml"));
  const apply = async (file: string) => {
    const definition = parse(await readFile(join(assets.crds, file), "utf8")) as { metadata: { name: string } };
    await api.apply(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${definition.metadata.name}`, definition);
  };
  await Promise.all(files.map(apply));
}

/** Asks the agent, through its socket in the node's own /run, what `cilium-dbg status --brief` would. */
export async function ciliumIsWell(node: ProcessIdentity): Promise<boolean> {
  const socketPath = `/proc/${node.pid}/root/run/cilium/cilium.sock`;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  get({ socketPath, path: "/v1/healthz", headers: { brief: "true" }, timeout: 5_000 }, (response) => {
    text(response).then(resolve, reject);
  }).on("error", reject);
  const answer = JSON.parse(await promise) as { cilium?: { state?: string; msg?: string } };
  if (answer.cilium?.state === "Ok") return true;
  throw new LocalClusterError(`Cilium's agent is ${answer.cilium?.state}: ${answer.cilium?.msg}`);
}
