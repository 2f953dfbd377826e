import type { ProcessIdentity } from "../process-identity.ts";
import type { Addresses } from "./addresses.ts";
import { runInNode } from "./node-namespaces.ts";

/** A plain bridge: pods reach each other, NetworkPolicies are ignored. */
function bridgeConfiguration(at: Addresses): object {
  const ipam = { type: "host-local", ranges: [[{ subnet: at.podCidr }]], routes: [{ dst: "0.0.0.0/0" }] };
  return {
    cniVersion: "1.0.0",
    name: "pods",
    plugins: [
      { type: "bridge", bridge: "cni0", isGateway: true, hairpinMode: true, ipam },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}

const ciliumConfiguration = { cniVersion: "1.0.0", name: "cilium", plugins: [{ type: "cilium-cni" }] };

// In place: containerd 2.4 overlooks a file that is renamed into its folder.
async function writeConfiguration(node: ProcessIdentity, configuration: object): Promise<void> {
  const script = "cat >/run/cni/10-pods.conflist";
  await runInNode(node, ["sh", "-c", script], { input: JSON.stringify(configuration) });
}

export const makeCniFolder = async (node: ProcessIdentity): Promise<void> => {
  await runInNode(node, ["mkdir", "-p", "/run/cni"]);
};
export const useBridge = (node: ProcessIdentity, at: Addresses): Promise<void> =>
  writeConfiguration(node, bridgeConfiguration(at));
export const useCilium = (node: ProcessIdentity): Promise<void> => writeConfiguration(node, ciliumConfiguration);
