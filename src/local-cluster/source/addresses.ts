/** The addresses of one cluster. All are from 198.18.0.0/15, which RFC 2544 keeps for test networks. */
export interface Addresses {
  slot: number;
  /** This machine, as the node and its pods see it. */
  host: string;
  node: string;
  /** The machine's end of the wire to the node. */
  interface: string;
  /** Pods of all nodes; the one node gets the first /24 of it. */
  clusterCidr: string;
  podCidr: string;
  serviceCidr: string;
  /** The API server's Service. */
  api: string;
  dns: string;
}

/** How many clusters can be up on one machine at the same time. */
export const slots = 16;

/** Each slot is a /19: 0–7 host and node, 8–15 pods, 16–31 Services. */
export function addressesOf(slot: number): Addresses {
  const [second, third] = [18 + Math.floor(slot / 8), (slot % 8) * 32];
  const at = (block: number, last: string) => `198.${second}.${third + block}.${last}`;
  return {
    slot,
    host: at(0, "1"),
    node: at(0, "2"),
    interface: `agentpg${slot}`,
    clusterCidr: at(8, "0/21"),
    podCidr: at(8, "0/24"),
    serviceCidr: at(16, "0/20"),
    api: at(16, "1"),
    dns: at(16, "10"),
  };
}
