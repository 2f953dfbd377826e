import type { Mutant } from "../mutant.ts";

const ADDRESS = "src/runtime/tools/http-address.ts";
const HTTP = "src/runtime/tools/http.ts";
const attack = (tests: string) => [{ file: "test/attacks/ssrf.test.ts", tests }];

/** The way out of the `http` tool: what a model may try to reach what is inside. */
export const HTTP_TOOL: Mutant[] = [
  {
    weakness: "a name with one public address among its addresses may be called",
    file: ADDRESS,
    from: "if (!found.every(",
    to: "if (!found.some(",
    killedBy: attack("are refused together"),
  },
  {
    weakness: "the addresses of a name are looked at only when the connection is there",
    file: ADDRESS,
    from: "if (!found.every(({ address }) => allowed(address)))",
    to: "if (found.length === 0)",
    killedBy: attack("what a name stands for"),
  },
  {
    weakness: "private, loopback and link-local addresses count as public",
    file: ADDRESS,
    from: 'if (parsed.range() !== "unicast") return false;',
    to: "",
    killedBy: attack("is not called"),
  },
  {
    weakness: "all of IPv6 that has no name counts as public",
    file: ADDRESS,
    from: "parsed.match(GLOBAL_UNICAST)",
    to: "true",
    killedBy: attack("is not called"),
  },
  {
    weakness: "a cloud's internal address in a public range may be called",
    file: ADDRESS,
    from: "!CLOUD_INTERNAL.has(parsed.toString())",
    to: "true",
    killedBy: attack("is not called"),
  },
  {
    weakness: "plain http is let through",
    file: ADDRESS,
    from: 'if (url.protocol !== "https:")',
    to: "if (!/^https?:$/.test(url.protocol))",
    killedBy: attack("is refused before any packet"),
  },
  {
    weakness: "a URL may hold credentials",
    file: ADDRESS,
    from: 'if (url.username || url.password) throw new ToolError("a URL must not hold credentials");',
    to: "",
    killedBy: attack("is refused before any packet"),
  },
  {
    weakness: "a host may be an address",
    file: ADDRESS,
    from: 'if (isIP(host.replace(/^\\[|\\]$/g, ""))) throw new ToolError("name the host: addresses may not be called");',
    to: "",
    killedBy: attack("an address that stands on the list is refused all the same"),
  },
  {
    weakness: "a wildcard lets names through that only end alike",
    file: ADDRESS,
    from: "host.endsWith(name.slice(1))",
    to: "host.endsWith(name.slice(2))",
    killedBy: [{ file: "src/runtime/tools/http-address.test.ts" }],
  },
  {
    weakness: "any port of a listed host may be called",
    file: ADDRESS,
    from: 'if ((port || "443") !== ownPort) return false;',
    to: "",
    killedBy: attack("is refused before any packet"),
  },
  {
    weakness: "a redirect is followed wherever it leads",
    file: HTTP,
    from: "const to = checkedUrl(location, url, http.allowedHosts);",
    to: "const to = new URL(location, url);",
    killedBy: attack("is not followed"),
  },
  {
    weakness: "a redirect to another host takes the caller's headers along",
    file: HTTP,
    from: "from.host === to.host ? input.headers : {}",
    to: "input.headers",
    killedBy: attack("stays with the host that it was for"),
  },
  {
    weakness: "a call may set headers of the connection",
    file: HTTP,
    from: "if (bad) throw new ToolError(`the header ${bad} may not be set`);",
    to: "",
    killedBy: attack("headers of the caller's"),
  },
  {
    weakness: "a server may speak TLS 1.0 and 1.1",
    file: HTTP,
    from: 'minVersion: "TLSv1.2",',
    to: 'minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0",',
    killedBy: attack("1.1 and nothing newer is refused"),
  },
  {
    weakness: "nobody looks whether a certificate is of the host's name",
    file: HTTP,
    from: "servername: host,",
    to: "servername: host, checkServerIdentity: () => undefined,",
    killedBy: attack("with a certificate of another name"),
  },
  {
    weakness: "any certificate is taken",
    file: HTTP,
    from: "rejectUnauthorized: true,",
    to: "rejectUnauthorized: false,",
    killedBy: attack("with a certificate that"),
  },
  {
    weakness: "the environment says whether certificates are looked at",
    file: HTTP,
    from: "    rejectUnauthorized: true, // whatever NODE_TLS_REJECT_UNAUTHORIZED says\n",
    to: "",
    killedBy: attack("is looked at whatever the environment says"),
  },
  {
    weakness: "a name is resolved a second time to connect",
    file: HTTP,
    from: `  const socket = connectTls({
    host: address,`,
    to: `  const [again] = await network.resolve(host);
  const socket = connectTls({
    host: again?.address ?? address,`,
    killedBy: attack("never leads there"),
  },
];
