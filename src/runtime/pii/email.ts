import type { Detector } from "./finding.ts";
import { matchesOf } from "./matches.ts";

/** How the sign in the middle is written, also percent-encoded, as an entity, and spoken in brackets. */
const AT = /@|%40|&#0?64;|&commat;|\s{0,2}[([{]\s?at\s?[)\]}]\s{0,2}/gi;
const LOCAL = /(?:"[^"\n]{1,64}"|[\p{L}\p{N}!#$%&'*+/=?^_`{|}~.-]{1,64})$/u;
const DOMAIN =
  /^(?:\[(?:\d{1,3}\.){3}\d{1,3}\]|[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,62})(?:(?:\.|\s{0,2}[([{]\s?dot\s?[)\]}]\s{0,2})[\p{L}\p{N}][\p{L}\p{N}-]{0,62}){1,8})/iu;
/** What of the left side is not part of the address: marks, and the scheme or label before it. */
const LEADING = /^(?:[!#$%&'*+/=?^`{|}~.-]+|mailto:)/i;
const TOP = /(?:\.|[)\]}]\s{0,2})(?:\p{L}{2,24}|xn--[a-z0-9-]{2,59})$/iu;

/** What the name in an ssh or git address looks like; nobody reads mail there. */
const MACHINE = /^git@(?:github|gitlab|bitbucket|ssh\.dev\.azure)\./i;

/** E-mail addresses, of any alphabet. */
export const emails: Detector = (text) => {
  const found = [];
  for (const { 0: sign, index } of matchesOf(text, AT)) {
    const left = LOCAL.exec(text.slice(Math.max(0, index - 66), index))?.[0] ?? "";
    const local = left.startsWith('"') ? left : left.slice(LEADING.exec(left)?.[0].length ?? 0);
    const from = index + sign.length;
    const domain = domainAt(text, from);
    if (!local || local.endsWith(".") || !domain) continue;
    const start = index - local.length;
    if (MACHINE.test(text.slice(start, from + domain.length))) continue;
    found.push({ kind: "email" as const, start, end: from + domain.length });
  }
  return found;
};

/** A name with a top level, without what only follows it. */
function domainAt(text: string, from: number): string | undefined {
  let domain = DOMAIN.exec(text.slice(from, from + 320))?.[0];
  while (domain && !domain.startsWith("[") && !TOP.test(domain)) {
    const shorter = domain.replace(/(?:\.|\s{0,2}[([{]\s?dot\s?[)\]}]\s{0,2})[^.()[\]{}]*$/iu, "").replace(/-+$/, "");
    domain = shorter === domain ? undefined : shorter;
  }
  return domain;
}
