import ipaddr from "ipaddr.js";
import type { OperatorConfig } from "../config.ts";

/** Never opened to an agent: cloud metadata and other link-local addresses. */
const LINK_LOCAL = ["169.254.0.0/16", "fe80::/10"].map((cidr) => ({ cidr, parsed: ipaddr.parseCIDR(cidr) }));

/** Networks that are not the public internet: left out of "any public address". */
const NOT_PUBLIC_4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/4",
];
const NOT_PUBLIC_6 = ["::1/128", "fc00::/7", "fe80::/10", "ff00::/8"];

type Network = ReturnType<typeof ipaddr.parseCIDR>;

const contains = ([outerAddress, outerBits]: Network, [innerAddress, innerBits]: Network): boolean =>
  outerAddress.kind() === innerAddress.kind() && outerBits < innerBits && innerAddress.match(outerAddress, outerBits);

/** A NetworkPolicy peer for a CIDR, with the link-local networks inside it left out. */
export function cidrPeer(cidr: string) {
  const network = ipaddr.parseCIDR(cidr);
  const except = LINK_LOCAL.filter(({ parsed }) => contains(network, parsed)).map((it) => it.cidr);
  return { ipBlock: { cidr, ...(except.length > 0 ? { except } : {}) } };
}

/** NetworkPolicy peers for every public address. */
export const publicPeers = () => [
  { ipBlock: { cidr: "0.0.0.0/0", except: NOT_PUBLIC_4 } },
  { ipBlock: { cidr: "::/0", except: NOT_PUBLIC_6 } },
];

/** NetworkPolicy peers for every address, but the link-local ones. Pods by themselves: to some network plugins a pod has no address that a CIDR names. */
export const anyPeers: readonly object[] = [cidrPeer("0.0.0.0/0"), cidrPeer("::/0"), { namespaceSelector: {} }];

export const tcp = (...ports: number[]) => ports.map((port) => ({ protocol: "TCP", port }));

/** A rule without peers would mean "anyone", so an empty list gives no rule. */
export const rule = (direction: "to" | "from", peers: readonly unknown[], ports: unknown[]) =>
  peers.length > 0 ? [{ [direction]: peers, ports }] : [];

/** To Postgres, or the pooler before it. */
export const databaseRule = ({ database }: OperatorConfig) =>
  rule(
    "to",
    database.peers.length > 0 ? database.peers : anyPeers,
    tcp(database.peerPort ?? database.agentPort ?? database.port),
  );

/** To the model endpoint. */
export const modelRule = ({ model }: OperatorConfig) =>
  rule("to", model.peers.length > 0 ? model.peers : publicPeers(), tcp(model.port));
