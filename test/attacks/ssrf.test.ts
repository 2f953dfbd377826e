// What a model, or a page that it reads, may try with the http tool to reach what is inside: real sockets, a real name server.
import { createServer as createTlsServer, type Server, type ServerOptions } from "node:https";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createAuthority } from "../../src/local-cluster/pki.ts";
import { type HttpNetwork, httpTool } from "../../src/runtime/tools/http.ts";
import { isPublicAddress } from "../../src/runtime/tools/http-address.ts";
import type { LocalTool, ToolCall } from "../../src/runtime/tools/tool.ts";
import { type DnsRecord, type DnsServer, startDnsServer } from "../support/dns-server.ts";
import { makeCertificates } from "../support/postgres.ts";
import { ADDRESS_URLS, BAD_ADDRESSES, DISGUISES, PORTS, SCHEMES } from "./ssrf-cases.ts";

/** What stands for the public internet here, and what stands for the inside; the same port on both. */
const OUTSIDE = "127.0.0.1";
const INSIDE = ["127.0.0.2", "::1"];

type Answer = (
  req: { url?: string | undefined; headers: Record<string, unknown> },
  res: import("node:http").ServerResponse,
) => void;
let dns: DnsServer;
let ca: string;
let outside: Server;
const inside: ReturnType<typeof createServer>[] = [];
let port: number;
let reachedInside = 0;
let answer: Answer;
let seenOutside: string[];

beforeAll(async () => {
  dns = await startDnsServer();
  const names = ["api.example.com", "evil.example.net", "other.example.org"];
  const certificates = await makeCertificates(names);
  ca = certificates.ca;
  outside = createTlsServer({ cert: certificates.cert, key: certificates.key }, (req, res) => {
    seenOutside.push(`${req.method} ${req.headers.host}${req.url} ${req.headers.authorization ?? ""}`);
    answer(req, res);
  });
  await new Promise<void>((resolve) => outside.listen(0, OUTSIDE, resolve));
  port = (outside.address() as AddressInfo).port;
  for (const address of INSIDE) {
    const server = createServer((socket: Socket) => {
      reachedInside++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(port, address, resolve));
    inside.push(server);
  }
}, 60_000);
afterAll(async () => {
  outside?.closeAllConnections();
  for (const server of [outside, ...inside]) server?.close();
  await dns?.stop();
});
beforeEach(() => {
  reachedInside = 0;
  seenOutside = [];
  dns.answer = () => [{ address: OUTSIDE }];
  answer = (_req, res) => res.end("hello");
});

/** The tool over real packets; only which addresses are public is told otherwise, as nothing here is. */
const tool = (more: Partial<HttpNetwork> = {}): LocalTool =>
  httpTool(
    { allowedHosts: ["api.example.com", "*.example.org"], methods: ["GET", "POST"] },
    { resolve: dns.resolve, isAllowedAddress: (it) => it === OUTSIDE || it === `::ffff:${OUTSIDE}`, ca, port, ...more },
  );

const callOf = (url: string, input: object = {}, timeoutMs = 3000): ToolCall => ({
  input: { url, ...input },
  idempotencyKey: "k",
  signal: AbortSignal.timeout(timeoutMs),
  timeoutMs,
  runId: "r",
  sessionId: "s",
  userId: "u",
  variables: null,
});

interface More {
  input?: object;
  network?: Partial<HttpNetwork>;
  timeoutMs?: number;
}
const call = (url: string, { input, network, timeoutMs }: More = {}): Promise<string> =>
  tool(network)
    .execute(callOf(url, input, timeoutMs))
    .then(
      ({ output }) => output,
      (error: Error) => `refused: ${error.message}`,
    );

test("the way out works at all, else every refusal would be worth nothing", async () => {
  expect(await call("https://api.example.com/")).toContain("hello");
  expect(await call("https://API.EXAMPLE.COM./")).toContain("hello");
  expect(await call("https://api.example.com:443/")).toContain("hello");
  expect(await call("https://other.example.org/")).toContain("hello");
  await call("https://api.example.com/", {
    network: { resolve: async () => [{ address: "127.0.0.2", family: 4 }], isAllowedAddress: () => true },
  });
  expect(reachedInside, "a tool without its check does reach the inside").toBeGreaterThan(0);
});

describe("what a URL says", () => {
  test.each([...ADDRESS_URLS, ...SCHEMES, ...DISGUISES, ...PORTS])("%j is refused before any packet", async (url) => {
    let asked = 0;
    dns.answer = () => (asked++, [{ address: OUTSIDE }]);
    expect(await call(url)).toMatch(/^refused: /);
    expect({ asked, reachedInside, seenOutside }).toEqual({ asked: 0, reachedInside: 0, seenOutside: [] });
  });

  test("an address that stands on the list is refused all the same", async () => {
    const careless = httpTool(
      { allowedHosts: ["127.0.0.2", "169.254.169.254"], methods: ["GET"] },
      { resolve: async (host) => [{ address: host, family: 4 }], isAllowedAddress: () => true, ca, port },
    );
    for (const host of ["127.0.0.2", "169.254.169.254", "2130706434"])
      await expect(careless.execute(callOf(`https://${host}/`))).rejects.toThrow(/name the host/);
    expect(reachedInside).toBe(0);
  });

  test("a port that the list names is open, and only that", async () => {
    const named = httpTool(
      { allowedHosts: ["api.example.com:8443"], methods: ["GET"] },
      { resolve: dns.resolve, isAllowedAddress: (it) => it.endsWith(OUTSIDE), ca, port },
    );
    const ask = (url: string) => named.execute(callOf(url));
    expect((await ask("https://api.example.com:8443/")).output).toContain("hello");
    await expect(ask("https://api.example.com/")).rejects.toThrow(/not on this tool's list/);
  });
});

describe("what a name stands for", () => {
  const records = (...addresses: string[]): DnsRecord[] => addresses.map((address) => ({ address }));

  test.each(BAD_ADDRESSES)("%s is not called", async (address) => {
    dns.answer = () => records(address);
    expect(await call("https://api.example.com/", { network: { isAllowedAddress: isPublicAddress } })).toBe(
      "refused: the host api.example.com resolves to an address that may not be called",
    );
  });

  test.each([
    ["a good and a bad address", ["93.184.216.34", "127.0.0.2"]],
    ["a good IPv4 and a bad IPv6 address", ["93.184.216.34", "::1"]],
    ["a bad one among many", [...Array.from({ length: 12 }, (_, i) => `93.184.216.${i + 1}`), "10.0.0.1"]],
  ])("%s are refused together", async (_what, addresses) => {
    dns.answer = () => records(...addresses);
    expect(await call("https://api.example.com/", { network: { isAllowedAddress: isPublicAddress } })).toMatch(
      /may not be called/,
    );
  });

  test("a chain of CNAMEs that ends inside is refused, one that ends outside is followed", async () => {
    const chain = (address: string): DnsRecord[] => [
      { cname: "a.example.net" },
      { cname: "metadata.google.internal" },
      { cname: "z.example.net" },
      { address },
    ];
    dns.answer = () => chain("127.0.0.2");
    expect(await call("https://api.example.com/")).toMatch(/may not be called/);
    dns.answer = () => chain(OUTSIDE);
    expect(await call("https://api.example.com/")).toContain("hello");
    expect(reachedInside).toBe(0);
  });

  test.each([
    ["from the second question on", (count: number) => (count > 2 ? "127.0.0.2" : OUTSIDE)],
    ["every other time", (count: number) => (count % 4 < 2 ? OUTSIDE : "127.0.0.2")],
    ["at once, and then well", (count: number) => (count <= 2 ? "127.0.0.2" : OUTSIDE)],
  ])("a name that changes its answer, time to live 0, to the inside %s, never leads there", async (_when, at) => {
    dns.answer = (_name, count) => records(at(count));
    const host = `r${Math.random().toString(36).slice(2)}.example.org`;
    for (let i = 0; i < 8; i++) await call(`https://${host}/`);
    expect(reachedInside).toBe(0);
  });

  test.each([
    ["nothing", () => []],
    ["no answer at all", () => undefined],
    ["a CNAME that leads nowhere", () => [{ cname: "nowhere.example.net" }]],
    ["a circle of CNAMEs", () => [{ cname: "api.example.com" }]],
  ] as [string, () => DnsRecord[] | undefined][])("%s is an error in good time", async (_what, records) => {
    dns.answer = records;
    expect(await call("https://api.example.com/")).toMatch(/has no address/);
  });
});

describe("where a redirect leads", () => {
  const bad = [
    "http://api.example.com/",
    "https://evil.example.net/",
    "//evil.example.net/",
    "/\\evil.example.net/",
    "\\\\evil.example.net\\x",
    "https://127.0.0.2/",
    "https://2130706434/",
    "https://[::1]/",
    "https://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "gopher://api.example.com/",
    "javascript:1",
    "https://u:p@api.example.com/",
    "https://api.example.com:6443/",
    "https://api.example.com@evil.example.net/",
  ];
  test.each([301, 302, 303, 307, 308].flatMap((status) => bad.map((to) => [status, to] as const)))(
    "%i to %s is not followed",
    async (status, to) => {
      answer = (req, res) =>
        req.url === "/start" ? res.writeHead(status, { location: to }).end() : res.end("FOLLOWED");
      const said = await call("https://api.example.com/start");
      expect(said).toMatch(/^refused: /);
      expect({ reachedInside, requests: seenOutside.length }).toEqual({ reachedInside: 0, requests: 1 });
    },
  );

  test("a good start, and a name that has moved inside for the next hop, is refused", async () => {
    dns.answer = (name) => [{ address: name.startsWith("api") ? OUTSIDE : "127.0.0.2" }];
    answer = (_req, res) => res.writeHead(302, { location: "https://inside.example.org/" }).end();
    expect(await call("https://api.example.com/")).toMatch(/may not be called/);
    expect(reachedInside).toBe(0);
  });

  test("an endless chain ends", async () => {
    answer = (req, res) => res.writeHead(302, { location: `/${Number(req.url?.slice(1) || 0) + 1}` }).end();
    expect(await call("https://api.example.com/0")).toBe("refused: more than 3 redirects");
    expect(seenOutside.length).toBe(4);
  });

  test("what the caller sent along stays with the host that it was for", async () => {
    answer = (req, res) =>
      req.url === "/start" ? res.writeHead(307, { location: "https://other.example.org/x" }).end() : res.end("there");
    expect(
      await call("https://api.example.com/start", { input: { headers: { authorization: "Bearer planted" } } }),
    ).toContain("there");
    expect(seenOutside).toEqual(["GET api.example.com/start Bearer planted", "GET other.example.org/x "]);
  });
});

describe("what comes back", () => {
  test.each<[string, Answer, RegExp]>([
    [
      "drips a byte a second",
      (_req, res) => {
        const timer = setInterval(() => res.write("x"), 200);
        res.on("close", () => clearInterval(timer));
      },
      /refused/,
    ],
    ["says nothing", () => {}, /refused/],
    [
      "never ends",
      (_req, res) => {
        const more = () =>
          res.destroyed || (res.write("x".repeat(65536)) ? setImmediate(more) : res.once("drain", more));
        more();
      },
      /refused: .*(larger|failed)/,
    ],
    [
      "says that it is short and is not",
      (_req, res) => void res.writeHead(200, { "content-length": "5" }).end("hello, and much more"),
      /./,
    ],
    [
      "is a bomb, 10 MiB of zeros in 10 KiB",
      (_req, res) => void res.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(10 << 20))),
      /./,
    ],
    [
      "has headers without end",
      (_req, res) =>
        void res
          .writeHead(200, Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x-${i}`, "y".repeat(100)])))
          .end(),
      /refused/,
    ],
    ["is no HTTP", (_req, res) => void res.socket?.end("\u0000\u0001\u0002garbage\r\n\r\n"), /refused/],
    [
      "breaks off",
      (_req, res) => {
        res.write("half");
        setTimeout(() => res.socket?.destroy(), 50);
      },
      /refused/,
    ],
  ])("%s: an end in good time, and no memory taken", async (_what, way, expected) => {
    answer = way;
    const before = process.memoryUsage().rss;
    const said = await call("https://api.example.com/", { timeoutMs: 1500 });
    expect(said).toMatch(expected);
    expect(said.length).toBeLessThan(100_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20); // an answer without end is gigabytes in that time
  });
});

describe("what the environment says", () => {
  test.each(["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NODE_USE_ENV_PROXY"])(
    "%s leads nowhere else",
    async (name) => {
      const old = process.env[name];
      process.env[name] = name === "NODE_USE_ENV_PROXY" ? "1" : `http://127.0.0.2:${port}`;
      try {
        expect(await call("https://api.example.com/")).toContain("hello");
      } finally {
        if (old === undefined) delete process.env[name];
        else process.env[name] = old;
      }
      expect(reachedInside).toBe(0);
    },
  );
});

describe("headers of the caller's", () => {
  test.each([
    "Host",
    "hOsT",
    "Connection",
    "Transfer-Encoding",
    "Content-Length",
    "Upgrade",
    "Expect",
    "TE",
    "Trailer",
    "Cookie",
    "Proxy-Authorization",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "Forwarded",
    "X-Real-IP",
    "Keep-Alive",
  ])("%s may not be set", async (name) => {
    expect(await call("https://api.example.com/", { input: { headers: { [name]: "x" } } })).toMatch(
      /^refused: the header/,
    );
    expect(seenOutside).toEqual([]);
  });
  test.each(["x\r\nHost: evil", "x\u0000y", "x\ny"])(
    "a value that would be another header (%j) is refused",
    async (value) => {
      expect(await call("https://api.example.com/", { input: { headers: { "x-a": value } } })).toMatch(/^refused/);
      expect(seenOutside).toEqual([]);
    },
  );
});

describe("a server's TLS", () => {
  /** OpenSSL 3 has versions before TLS 1.2 at this security level only. */
  const OLD_CIPHERS = "DEFAULT@SECLEVEL=0";
  const HOST = "api.example.com";
  const servers: Server[] = [];
  let requests = 0;
  afterAll(() => {
    for (const server of servers) server.close();
  });

  async function listening(options: ServerOptions): Promise<number> {
    const server = createTlsServer(options, (_req, res) => {
      requests++;
      res.end("hello");
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, OUTSIDE, resolve));
    return (server.address() as AddressInfo).port;
  }
  interface Shown extends ServerOptions {
    ca: string;
  }
  const authority = createAuthority("AgentPG test CA");
  /** A server's options with a certificate of a CA that is trusted: `more` is what is wrong with it. */
  const shown = async (names: string[], notAfter?: Date, more: Omit<ServerOptions, "ca"> = {}): Promise<Shown> => {
    const { certificate: cert, key } = await (await authority).issue({ user: "web", dns: names }, notAfter);
    return { cert, key, ca: (await authority).certificate, ...more };
  };
  const only = (version: "TLSv1" | "TLSv1.1") =>
    shown([HOST], undefined, { minVersion: version, maxVersion: version, ciphers: OLD_CIPHERS });
  const minuteAgo = () => new Date(Date.now() - 60_000);
  const signedByItself = async (): Promise<Shown> => {
    const { certificate: cert, key } = await createAuthority(HOST);
    return { cert, key, ca: (await authority).certificate };
  };
  const ofAnotherCa = async (): Promise<Shown> => ({
    ...(await shown([HOST])),
    ca: (await createAuthority("Another CA")).certificate,
  });
  /** The tool's end trusts the CA beside what the server shows. */
  const ask = async ({ ca, ...options }: Shown, input: object = {}): Promise<string> => {
    const at = await listening(options);
    return call(`https://${HOST}/`, { input, network: { ca, port: at } });
  };

  const REFUSED: [string, () => Promise<Shown>, RegExp][] = [
    ["1.0 and nothing newer", () => only("TLSv1"), /api\.example\.com speaks no TLS that is taken: 1\.2 is the oldest/],
    [
      "1.1 and nothing newer",
      () => only("TLSv1.1"),
      /api\.example\.com speaks no TLS that is taken: 1\.2 is the oldest/,
    ],
    ["with a certificate of another name", () => shown(["other.example.org"]), /is not for this name/],
    ["with a certificate of a part of the name", () => shown(["example.com"]), /is not for this name/],
    ["with a wildcard of another level", () => shown(["*.api.example.com", "*.com"]), /is not for this name/],
    ["with a certificate that has expired", () => shown([HOST], minuteAgo()), /has expired/],
    ["with a certificate that it signed itself", signedByItself, /not issued by a CA that is trusted/],
    ["with a certificate of another CA", ofAnotherCa, /not issued by a CA that is trusted/],
  ];
  test.each(REFUSED)("%s is refused, which the model is told, and no request is sent", async (_what, how, why) => {
    requests = 0;
    const said = await ask(await how(), { headers: { authorization: "Bearer planted" } });
    expect(said).toMatch(/^refused: /);
    expect(said).toMatch(why);
    expect(requests).toBe(0);
  });

  test("that is none is refused with the same words", async () => {
    const plain = createServer((socket) => void socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    await new Promise<void>((resolve) => plain.listen(0, OUTSIDE, resolve));
    const said = await call(`https://${HOST}/`, { network: { port: (plain.address() as AddressInfo).port } });
    plain.close();
    expect(said).toMatch(/^refused: api\.example\.com speaks no TLS that is taken/);
  });

  test("is looked at whatever the environment says", async () => {
    const old = process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    try {
      expect(await ask(await signedByItself())).toMatch(/not issued by a CA that is trusted/);
      expect(await ask(await shown([HOST], minuteAgo()))).toMatch(/has expired/);
    } finally {
      if (old === undefined) delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
      else process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = old;
    }
  });

  test("1.2 and 1.3 of a server with a good certificate are taken, and a client without the floor speaks 1.1", async () => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const)
      expect(await ask(await shown([HOST], undefined, { minVersion: version, maxVersion: version }))).toContain(
        "hello",
      );
    const { ca, ...options } = await only("TLSv1.1");
    const at = await listening(options);
    const socket = connectTls({
      host: OUTSIDE,
      port: at,
      servername: HOST,
      ca,
      minVersion: "TLSv1.1",
      ciphers: OLD_CIPHERS,
    });
    await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
    expect(socket.getProtocol()).toBe("TLSv1.1");
    socket.destroy();
  });
});
