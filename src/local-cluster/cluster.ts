/** A Kubernetes cluster to try things on. */
export interface Cluster {
  provider: "existing" | "kind" | "source";
  name: string;
  /** A path. */
  kubeconfig: string;
  /** `undefined`: not known from here. */
  enforcesNetworkPolicy: boolean | undefined;
  /** One line to be said aloud. */
  description: string;
  /** Where pods reach this machine, when they can. */
  hostAddress?: string;
  /**
   * Brings the images of a docker-archive, with their tags, onto every node; skips what is there already.
   * Throws a LocalClusterError when the provider has no way to.
   */
  loadImage(archive: string): Promise<void>;
}
