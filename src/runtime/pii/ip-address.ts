import ipaddr from "ipaddr.js";
import { follows } from "./context.ts";
import type { Detector, Finding } from "./finding.ts";
import { matchesOf } from "./matches.ts";

const V4 = /(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)/g;
/** Of the addresses that are given out (2000::/3) only. */
const V6 = /(?<![\w:.-])[23][0-9a-f]{3}:[0-9a-f:]{2,36}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?![\w:])/gi;
/** What else has four numbers. */
const VERSION = /(?:\bv|version|release|build|firmware|driver|chapter|section|§|oid|clause)[ :=.]*$/i;

/** Ranges that are nobody's: what is private, of the machine itself, or to many. Those kept for documentation count, as they look like anybody's. */
const NOBODYS = new Set([
  "private",
  "loopback",
  "linkLocal",
  "unspecified",
  "multicast",
  "broadcast",
  "carrierGradeNat",
  "uniqueLocal",
]);

/** A public address, if it is one. */
function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  return !NOBODYS.has(parsed.range()) && !/^(?:0|24\d|25[0-5])\./.test(address);
}

/** Public addresses of the internet protocol: they lead to a person's connection. */
export const ipAddresses: Detector = (text) => {
  const found: Finding[] = [];
  for (const { 0: address, index } of matchesOf(text, V4)) {
    if (/\b0\d/.test(address) || follows(text, index, VERSION) || !isPublic(address)) continue;
    found.push({ kind: "ip_address", start: index, end: index + address.length });
  }
  for (const { 0: matched, index } of matchesOf(text, V6)) {
    const address = matched.replace(/:$/, (end) => (matched.endsWith("::") ? end : ""));
    if (isPublic(address)) found.push({ kind: "ip_address", start: index, end: index + address.length });
  }
  return found;
};
