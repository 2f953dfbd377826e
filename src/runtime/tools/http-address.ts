import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { ToolError } from "./tool.ts";

export type Resolve = (host: string) => Promise<{ address: string; family: number }[]>;

export const systemResolve: Resolve = (host) => lookup(host, { all: true, verbatim: true });

/** All of IPv6 that is given out to the public internet (IANA, IPv6 Global Unicast Address Assignments). */
const GLOBAL_UNICAST = ipaddr.parseCIDR("2000::/3") as [ipaddr.IPv6, number];

/** Answers inside every virtual machine of one cloud with what belongs to that machine, though it lies in a public range. */
const CLOUD_INTERNAL = new Set(["168.63.129.16"]);

/**
 * Whether it is an address of the public internet; IPv4 in IPv6 is seen as IPv4. Everything else is refused: loopback, private,
 * link-local, metadata, forms that carry an IPv4 address (`::7f00:1`, 6to4, NAT64, Teredo), what is not given out.
 */
export function isPublicAddress(address: string): boolean {
  if (!isIP(address)) return false; // the parser also takes `1.2.3` and `0x7f.1`
  const parsed = ipaddr.process(address);
  if (parsed.range() !== "unicast") return false;
  return parsed instanceof ipaddr.IPv6 ? parsed.match(GLOBAL_UNICAST) : !CLOUD_INTERNAL.has(parsed.toString());
}

/** Whether a host and port is on the list: `*.example.com` is all below it, and a port other than 443 has to be named (`example.com:8443`). */
export function isAllowedHost(host: string, port: string, allowed: string[]): boolean {
  return allowed.some((entry) => {
    const [name = "", ownPort = "443"] = entry.split(":");
    if ((port || "443") !== ownPort) return false;
    return name.startsWith("*.") ? host.endsWith(name.slice(1)) && host.length > name.length - 1 : host === name;
  });
}

/** The URL, once it has passed all that can be seen from its text. @throws ToolError that says what is wrong */
export function checkedUrl(text: string, base: URL | undefined, allowedHosts: string[]): URL {
  if (!URL.canParse(text, base?.href)) throw new ToolError("url is not a URL");
  const url = new URL(text, base?.href);
  const host = url.hostname.replace(/\.$/, "").toLowerCase();
  if (url.protocol !== "https:") throw new ToolError("only https URLs may be called");
  if (url.username || url.password) throw new ToolError("a URL must not hold credentials");
  if (isIP(host.replace(/^\[|\]$/g, ""))) throw new ToolError("name the host: addresses may not be called");
  if (!isAllowedHost(host, url.port, allowedHosts))
    throw new ToolError(`the host ${url.host} is not on this tool's list: ${allowedHosts.join(", ")}`);
  return url;
}

/** An address to connect to. All addresses of the name have to be public: one bad one is enough to refuse. @throws ToolError */
export async function publicAddressOf(
  host: string,
  resolve: Resolve,
  allowed: (address: string) => boolean,
): Promise<string> {
  const found = await resolve(host).catch(() => []);
  const [first] = found;
  if (!first) throw new ToolError(`the host ${host} has no address`);
  if (!found.every(({ address }) => allowed(address)))
    throw new ToolError(`the host ${host} resolves to an address that may not be called`);
  return first.address;
}
