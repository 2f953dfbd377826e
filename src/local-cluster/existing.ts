import type { Cluster } from "./cluster.ts";
import { LocalClusterError } from "./errors.ts";

/** A cluster that someone else runs: nothing is started, and nothing of it is taken down. */
export function existingCluster(name: string, kubeconfig: string): Cluster {
  return {
    provider: "existing",
    name,
    kubeconfig,
    enforcesNetworkPolicy: undefined,
    description: `the existing cluster of ${kubeconfig}`,
    loadImage: async (archive) => {
      throw new LocalClusterError(
        `images can't be put onto the nodes of an existing cluster from here: push ${archive} to a registry that its nodes pull from`,
      );
    },
  };
}
