import ipaddr from "ipaddr.js";

/** Never opened to an agent: cloud metadata and other link-local addresses. */
const LINK_LOCAL = ["169.254.0.0/16", "fe80::/10"];

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

const contains = (outer: string, inner: string): boolean => {
  const [outerAddress, outerBits] = ipaddr.parseCIDR(outer);
  const [innerAddress, innerBits] = ipaddr.parseCIDR(inner);
  return (
    outerAddress.kind() === innerAddress.kind() && outerBits < innerBits && innerAddress.match(outerAddress, outerBits)
  );
};

/** A NetworkPolicy peer for a CIDR, with the link-local networks inside it left out. */
export function cidrPeer(cidr: string) {
  const except = LINK_LOCAL.filter((it) => contains(cidr, it));
  return { ipBlock: { cidr, ...(except.length > 0 ? { except } : {}) } };
}

/** NetworkPolicy peers for every public address. */
export const publicPeers = () => [
  { ipBlock: { cidr: "0.0.0.0/0", except: NOT_PUBLIC_4 } },
  { ipBlock: { cidr: "::/0", except: NOT_PUBLIC_6 } },
];

export const tcp = (...ports: number[]) => ports.map((port) => ({ protocol: "TCP", port }));
