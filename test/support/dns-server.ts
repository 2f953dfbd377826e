import { createSocket } from "node:dgram";
import { once } from "node:events";
import { Resolver } from "node:dns/promises";
import ipaddr from "ipaddr.js";
import type { Resolve } from "../../src/runtime/tools/http-address.ts";

/** An answer record: an address, or the name that a name stands for. */
export type DnsRecord = { address: string } | { cname: string };

const TYPES = { a: 1, cname: 5, aaaa: 28 };

const labels = (name: string): Buffer =>
  Buffer.concat([...name.split(".").map((it) => Buffer.concat([Buffer.of(it.length), Buffer.from(it)])), Buffer.of(0)]);

/** A resource record (RFC 1035, 4.1.3) with a time to live of 0. */
function record(owner: string, it: DnsRecord): { type: number; bytes: Buffer; next: string } {
  const data = "cname" in it ? labels(it.cname) : Buffer.from(ipaddr.parse(it.address).toByteArray());
  const type = "cname" in it ? TYPES.cname : data.length === 4 ? TYPES.a : TYPES.aaaa;
  const head = Buffer.alloc(10);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt16BE(data.length, 8);
  return { type, bytes: Buffer.concat([labels(owner), head, data]), next: "cname" in it ? it.cname : owner };
}

/** The reply to a query: the records of the kind that was asked for, in order, each behind the CNAMEs that lead to it. */
function reply(query: Buffer, records: DnsRecord[], name: string, end: number): Buffer {
  const asked = query.readUInt16BE(end - 4);
  let owner = name;
  const made = records.map((it) => {
    const one = record(owner, it);
    owner = one.next;
    return one;
  });
  const kept = made.filter(({ type }) => type === asked || type === TYPES.cname);
  const head = Buffer.alloc(12);
  query.copy(head, 0, 0, 2);
  head.writeUInt16BE(0x8580, 2); // an authoritative answer without error
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(kept.length, 6);
  return Buffer.concat([head, query.subarray(12, end), ...kept.map(({ bytes }) => bytes)]);
}

export interface DnsServer {
  /** What a name resolves to, asked anew for each query; `undefined`: no answer at all. */
  answer: (name: string, queries: number) => DnsRecord[] | undefined;
  resolve: Resolve;
  stop(): Promise<void>;
}

/** A name server on loopback that says what a test wants, over real packets, and a resolver that asks nobody else. */
export async function startDnsServer(): Promise<DnsServer> {
  const socket = createSocket("udp4");
  const seen = new Map<string, number>();
  socket.on("message", (query, from) => {
    let at = 12;
    const parts: string[] = [];
    while (query[at]) {
      const length = query[at] ?? 0;
      parts.push(query.subarray(at + 1, at + 1 + length).toString());
      at += 1 + length;
    }
    const name = parts.join(".");
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    const records = server.answer(name, count);
    if (records) socket.send(reply(query, records, name, at + 5), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const resolver = new Resolver({ timeout: 300, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  const server: DnsServer = {
    answer: () => [],
    async resolve(host) {
      const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
      const found = [four, six].flatMap((it) => (it.status === "fulfilled" ? it.value : []));
      return found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    },
    async stop() {
      socket.close();
      await once(socket, "close");
    },
  };
  return server;
}
