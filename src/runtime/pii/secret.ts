import type { Detector, Finding } from "./finding.ts";
import { matchesOf } from "./matches.ts";

/** Keys that tell what they are: how they begin, and what follows. */
const KNOWN: [head: string, rest: string][] = [
  ["sk-ant-", "[A-Za-z0-9_-]{10,250}"], // Anthropic
  ["sk-", "(?:proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{20,250}"], // OpenAI and others that took its form
  ["(?:AKIA|ASIA|ABIA|ACCA)", String.raw`[A-Z0-9]{16}\b`], // AWS
  ["gh[pousr]_", "[A-Za-z0-9]{20,255}"], // GitHub
  ["github_pat_", "[A-Za-z0-9_]{20,255}"],
  ["gl(?:pat|dt|rt|cbt|ptt|ft|soat)-", "[A-Za-z0-9_-]{20,64}"], // GitLab
  ["xox[abeoprs]", String.raw`(?:\.xox[bp])?-[A-Za-z0-9-]{10,250}`], // Slack
  ["xapp-", String.raw`\d-[A-Za-z0-9-]{10,250}`],
  [String.raw`hooks\.slack\.com/services/`, "[A-Za-z0-9_/]{20,80}"],
  ["AIza", "[A-Za-z0-9_-]{35}"], // Google
  [String.raw`ya29\.`, "[A-Za-z0-9_-]{20,250}"],
  ["GOCSPX-", "[A-Za-z0-9_-]{20,40}"],
  ["(?:sk|rk|pk|whsec)_", "(?:(?:live|test)_)?[A-Za-z0-9]{16,250}"], // Stripe
  [String.raw`SG\.`, String.raw`[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}`], // SendGrid
  ["npm_", "[A-Za-z0-9]{36}"],
  ["pypi-", "[A-Za-z0-9_-]{40,250}"],
  ["hf_", "[A-Za-z0-9]{30,40}"], // Hugging Face
  ["do[opr]_v1_", "[a-f0-9]{64}"], // DigitalOcean
  ["shp(?:at|ca|pa|ss)_", "[a-fA-F0-9]{32}"], // Shopify
  [String.raw`hv[sbr]\.`, "[A-Za-z0-9_-]{24,250}"], // Vault
  ["dapi", "[a-f0-9]{32}"], // Databricks
  ["lin_api_", "[A-Za-z0-9]{32,64}"],
  ["AGE-SECRET-KEY-1", "[A-Z0-9]{58}"],
  [String.raw`\d{8,10}:AA`, "[A-Za-z0-9_-]{33}"], // Telegram
  ["eyJ", String.raw`[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{4,8000}\.[A-Za-z0-9_-]{0,4000}`], // JSON Web Tokens
];
const KNOWN_KEY = new RegExp(String.raw`\b(?:${KNOWN.map((it) => it.join("")).join("|")})`, "g");
/** How such a key begins. */
export const KEY_HEAD = new RegExp(String.raw`\b(?:${KNOWN.map(([head]) => head).join("|")})`);

/** Private keys in PEM; one whose end is missing goes on to the end of the segment. */
const PRIVATE_KEY =
  /-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[^]{0,16384}?(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----|$)/g;

/** Something that is called a secret, and its value. */
const ASSIGNED =
  /(?:(?:api|access|secret|private|auth|encryption|signing|account|client|shared|master|session)[ _-]?(?:access[ _-]?)?(?:key|token|secret)|secret|token|apikey|passw(?:or)?d|passwort|kennwort|contrase(?:ñ|n)a|mot de passe|passphrase|passcode|pwd|credentials?|bearer)(?:[_-]?(?:id|value))?["'`]?(?: is|\s{0,2}(?:=>|:=|[:=]))?\s{0,2}(?:bearer\s)?["'`]?([^\s"'`,;<>(){}[\]]{8,512})/giu;
/** A word without which nothing is called a secret. */
export const CALLED_SECRET =
  /secret|token|key|passw|kennwort|contrase|mot de passe|passphrase|passcode|pwd|credential|bearer/i;
/** User and password in an address. */
const IN_ADDRESS = /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/?#@]{0,128}:([^\s/@]{3,256})@/gi;

/** What stands where a secret will be: variables, and words that say so. */
const STAND_IN =
  /^(?:\$|%|process\.|os\.|env[.:]|your[-_]|my[-_]|example|changeme|placeholder|redacted|required|undefined|null|none|true|false|string|x{4}|\*{3}|\.{3}|https?:)/i;

/** Bits for each character, by how often each is there. */
function entropyOf(value: string): number {
  const counts = new Map<string, number>();
  for (const char of value) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / value.length) * Math.log2(count / value.length);
  return bits;
}

const KINDS_OF_CHARACTERS = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/];

/** Whether a value that is called a secret looks like one, and not like a word, a number, or a name for it. */
function looksSecret(value: string): boolean {
  if (STAND_IN.test(value) || /^[\d.,:/-]+$/.test(value) || !/[\p{L}]/u.test(value)) return false;
  const kinds = KINDS_OF_CHARACTERS.filter((it) => it.test(value)).length;
  if (!/\d/.test(value) && (kinds < 3 || /^[A-Za-z]+(?:[-_./][A-Za-z]+)*$/.test(value))) return false;
  return entropyOf(value) >= (value.length >= 16 ? 3 : 2.5);
}

function valuesOf(text: string, pattern: RegExp, isOne: (value: string) => boolean): Finding[] {
  const found: Finding[] = [];
  for (const match of matchesOf(text, pattern)) {
    const value = (match[1] ?? "").replace(/[.:]+$/, "");
    const start = match.index + match[0].lastIndexOf(match[1] ?? "");
    if (value && isOne(value)) found.push({ kind: "secret", start, end: start + value.length });
  }
  return found;
}

/** Keys, tokens and passwords: those with a form of their own, private keys, and what is called one and looks like one. */
export const secrets: Detector = (text) => [
  ...[
    ...(KEY_HEAD.test(text) ? matchesOf(text, KNOWN_KEY) : []),
    ...(text.includes("PRIVATE KEY") ? matchesOf(text, PRIVATE_KEY) : []),
  ].map(({ 0: key, index }): Finding => ({ kind: "secret", start: index, end: index + key.length })),
  ...(text.includes("://") ? valuesOf(text, IN_ADDRESS, (it) => !STAND_IN.test(it) && !it.startsWith("[")) : []),
  ...(CALLED_SECRET.test(text) ? valuesOf(text, ASSIGNED, looksSecret) : []),
];
