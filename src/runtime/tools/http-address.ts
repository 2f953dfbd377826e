import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { ToolError } from "./tool.ts";

export type Resolve = (host: string) => Promise<{ address: string; family: number }[]>;

export const systemResolve: Resolve = (host) => lookup(host, { all: true, verbatim: true });

/** Whether it is an address of the public internet; IPv4 in IPv6 is seen as IPv4. Everything else is refused: loopback, private, link-local, metadata, … */
export function isPublicAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === "unicast";
}

/** Whether the host is one of the names, `*.example.com` being all below it. */
export const isAllowedHost = (host: string, allowed: string[]): boolean =>
  allowed.some((it) => (it.startsWith("*.") ? host.endsWith(it.slice(1)) && host.length > it.length - 1 : host === it));

/** The URL, once it has passed all that can be seen from its text. @throws ToolError that says what is wrong */
export function checkedUrl(text: string, base: URL | undefined, allowedHosts: string[]): URL {
  if (!URL.canParse(text, base?.href)) throw new ToolError("url is not a URL");
  const url = new URL(text, base?.href);
  const host = url.hostname.replace(/\.$/, "").toLowerCase();
  if (url.protocol !== "https:") throw new ToolError("only https URLs may be called");
  if (url.username || url.password) throw new ToolError("a URL must not hold credentials");
  if (isIP(host.replace(/^\[|\]$/g, ""))) throw new ToolError("name the host: addresses may not be called");
  if (!isAllowedHost(host, allowedHosts))
    throw new ToolError(`the host ${host} is not on this tool's list: ${allowedHosts.join(", ")}`);
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
